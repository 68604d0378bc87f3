"""Pictures of the co-registration: files that open, with what was measured on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from lczmap.evaluation.shift_figures import draw_overlay, draw_shifts, overlay_colors


def entry(**changes: Any) -> dict[str, Any]:
    shift = {"measured_east_m": 12.0, "measured_north_m": -5.0, "sigma_m": 0.7, "windows_used": 3, "windows_total": 4}
    windows = [
        {"x": 1000.0, "y": 2000.0, "shift_east_m": 11.0, "shift_north_m": -4.0, "agrees": True},
        {"x": 3000.0, "y": 2000.0, "shift_east_m": 12.0, "shift_north_m": -6.0, "agrees": True},
        {"x": 1000.0, "y": 5000.0, "shift_east_m": -150.0, "shift_north_m": 90.0, "agrees": False},
        {"x": 3000.0, "y": 5000.0, "shift_east_m": None, "shift_north_m": None, "agrees": False},
    ]
    return {
        "sensor": "sentinel-1",
        **shift,
        "consistent_georeference": True,
        "scale_east": 1.0,
        "scale_north": 1.0,
        "mutual_information": {**shift, "agrees": True},
        "residual": {**shift, "measured_east_m": 0.1, "measured_north_m": 0.0},
        "windows": windows,
        **changes,
    }


def test_a_picture_has_a_panel_for_every_measured_pass(tmp_path: Path) -> None:
    wrong = entry(consistent_georeference=False, residual=None, mutual_information=None)
    unmeasured = entry(measured_east_m=None, measured_north_m=None, sigma_m=None, residual=None)
    one, three = tmp_path / "one.png", tmp_path / "three.png"
    draw_shifts({"scenes": {"a": entry(), "optical": entry(sensor="sentinel-2")}}, one, title="City")
    draw_shifts({"scenes": {"a": entry(), "b": wrong, "c": unmeasured}}, three)
    assert imread(three).shape[1] > 2.5 * imread(one).shape[1]
    assert imread(one)[..., :3].std() > 0.01


def test_a_run_without_radar_gives_a_page_that_says_so(tmp_path: Path) -> None:
    draw_shifts({"scenes": {"s2": entry(sensor="sentinel-2", windows=[])}}, tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()


def test_bright_things_that_lie_on_each_other_are_white_and_others_coloured(tmp_path: Path) -> None:
    optical, radar = np.zeros((20, 30)), np.zeros((20, 30))
    optical[5:10, 5:10] = 1
    radar[5:10, 8:13] = 7.0
    colors = overlay_colors(optical, radar)
    assert colors[7, 9].tolist() == [1, 1, 1]
    assert colors[7, 6].tolist() == [0, 1, 1]
    assert colors[7, 12].tolist() == [1, 0, 0]
    draw_overlay(optical, radar, optical, tmp_path / "overlay.png")
    assert (tmp_path / "overlay.png").exists()
    with pytest.raises(ValueError, match="one shape"):
        draw_overlay(optical, radar[:10], radar, tmp_path / "no.png")

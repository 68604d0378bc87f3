"""The table of urban canopy parameters and the steps for WRF."""

import csv
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.exports.lcz_generator import BANDS
from lczmap.exports.wrf import export_wrf, parameter_csv, wrf_class
from lczmap.raster import write_cells, write_generator_bands

SIZE = 0.0008983152841195214
GEOBOX = GeoBox((4, 5), Affine(SIZE, 0, 15.0, 0, -SIZE, 48.0), "EPSG:4326")


def exported(folder: Path, codes: list[int]) -> str:
    bands = np.zeros((3, 4, 5), np.int16)
    bands[1].flat[: len(codes)] = codes
    write_generator_bands(folder / "lcz_generator.tif", bands, GEOBOX, names=BANDS, tags={})
    export_wrf(folder / "lcz_generator.tif", folder / "wrf" / "table.csv", folder / "wrf" / "README.txt")
    return (folder / "wrf" / "README.txt").read_text()


def test_the_table_is_the_published_one() -> None:
    rows = {row[""]: row for row in csv.DictReader(parameter_csv().splitlines())}
    assert list(rows) == [str(code) for code in range(1, 18)]
    columns = ("FRC_URB2D", "MH_URB2D_MIN", "MH_URB2D", "MH_URB2D_MAX", "BLDFR_URB2D", "H2W")
    assert [rows["2"][c] for c in columns] == ["0.9", "10", "17.5", "25", "0.55", "1.25"]
    assert [rows["9"][c] for c in columns] == ["0.3", "3", "6.5", "10", "0.15", "0.15"]
    assert [rows["15"][c] for c in columns] == ["0.95", "0", "0", "0", "0.05", "0"]
    assert sum(float(rows[str(code)][c]) for code in (11, 12, 13, 14, 16, 17) for c in columns) == 0
    assert (rows["15"]["LU_INDEX_41"], rows["15"]["LU_INDEX_61"], rows["15"]["NAME"]) == (
        "41",
        "61",
        "LCZ E: Bare rock or paved",
    )


def test_wrf_keeps_the_built_types_and_bare_rock_or_paved() -> None:
    assert [wrf_class(code) for code in (1, 10, 15)] == [31, 40, 41]
    assert [code for code in range(1, 18) if wrf_class(code) is None] == [11, 12, 13, 14, 16, 17]


def test_the_steps_name_the_files_and_zones_of_this_map(tmp_path: Path) -> None:
    text = exported(tmp_path, [6, 6, 6, 2, 15, 14, 0])
    zones = [line.split() for line in text.splitlines() if line.startswith("  LCZ ")]
    assert [(zone[1], zone[-1]) for zone in zones] == [("2:", "52)"), ("6:", "56)"), ("E:", "61)")]
    assert "3 pixels   60.0%" in text
    assert "w2w/bin/w2w . lcz_generator.tif geo_em.d02.nc --lcz-ucp table.csv" in text
    assert "longitude 15.0000 to 15.0045" in text and "latitude 47.9964 to 48.0000" in text
    assert "{" not in text


def test_a_map_without_built_zones_is_told_so(tmp_path: Path) -> None:
    assert "none: this map changes nothing in WRF" in exported(tmp_path, [14, 17])


def test_another_raster_is_refused(tmp_path: Path) -> None:
    write_cells(tmp_path / "lcz.tif", np.ones((1, 4, 5), np.uint8), GEOBOX, names=["LCZ"], nodata=0)
    with pytest.raises(ValueError, match=r"lcz.tif: expected the three bands of export-lcz-generator, got 1"):
        export_wrf(tmp_path / "lcz.tif", tmp_path / "table.csv", tmp_path / "README.txt")

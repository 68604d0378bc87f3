import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate
from scipy.stats import entropy

from lczmap.mapping.confidence import CONFIDENCE_BANDS, confidence, write_confidence
from lczmap.raster import band_names, read_cells, read_header, write_probabilities


def test_confidence_and_entropy_at_their_ends() -> None:
    p = np.zeros((17, 1, 4), np.float32)
    p[5, 0, 0] = 1
    p[:, 0, 1] = 1 / 17
    p[:2, 0, 2] = 0.5
    p[:, 0, 3] = np.nan
    largest, spread = confidence(p)[:, 0]
    assert largest[:3] == pytest.approx([1, 1 / 17, 0.5])
    assert spread[:3] == pytest.approx([0, 1, math.log(2) / math.log(17)], abs=1e-6)
    assert np.isnan(largest[3]) and np.isnan(spread[3])


def test_entropy_agrees_with_scipy() -> None:
    p = np.random.default_rng(0).dirichlet(np.full(17, 0.3), (5, 6)).transpose(2, 0, 1).astype(np.float32)
    expected = entropy(p.astype(np.float64), axis=0) / np.log(17)
    np.testing.assert_allclose(confidence(p)[1], expected, atol=1e-6)


def test_the_file_is_written_strip_by_strip_on_the_same_grid(tmp_path: Path) -> None:
    box = GeoBox((300, 20), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")
    p = np.random.default_rng(1).dirichlet(np.ones(17), box.shape).transpose(2, 0, 1).astype(np.float32)
    p[:, 290] = np.nan
    whole = (slice(0, 300), slice(0, 20))
    write_probabilities(tmp_path / "p.tif", iter([(whole, p)]), box, tags={"LCZMAP_NETWORK": "lcznet"})
    write_confidence(tmp_path / "p.tif", tmp_path / "confidence.tif")
    bands, found = read_cells(tmp_path / "confidence.tif", expected=box)
    np.testing.assert_array_equal(bands, confidence(p))
    assert found == box and band_names(tmp_path / "confidence.tif") == CONFIDENCE_BANDS
    header = read_header(tmp_path / "confidence.tif")
    assert header.tags["LCZMAP_NETWORK"] == "lcznet" and header.nodata is not None and math.isnan(header.nodata)
    assert cog_validate(tmp_path / "confidence.tif", strict=True)[0]


def test_a_map_of_other_bands_is_refused(tmp_path: Path) -> None:
    from lczmap.raster import write_cells

    box = GeoBox((4, 4), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")
    write_cells(tmp_path / "lcz.tif", np.ones((1, 4, 4), np.uint8), box, names=["LCZ"], nodata=0)
    with pytest.raises(ValueError, match=r"expected the 17 bands of probabilities\.tif, got 1"):
        write_confidence(tmp_path / "lcz.tif", tmp_path / "confidence.tif")

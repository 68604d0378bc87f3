import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from lczmap.vector_file import write_layer


def test_columns_and_geometries_come_back_in_a_version_that_older_qgis_reads(tmp_path: Path) -> None:
    path, x = tmp_path / "new" / "places.gpkg", np.array([400_000.5, 400_100.5])
    columns = {"number": np.array([1, 2]), "near": np.array([True, False]), "split": np.array(["train", "test"])}
    write_layer(path, "places", shapely.points(x, x), columns, kind="Point", crs="EPSG:32633")
    meta, _, geometry, values = pyogrio.raw.read(path, layer="places")
    assert (meta["crs"], meta["geometry_type"]) == ("EPSG:32633", "Point")
    assert {name: v.tolist() for name, v in zip(meta["fields"], values, strict=True)} == {
        "number": [1, 2], "near": [True, False], "split": ["train", "test"],
    }  # fmt: skip
    assert shapely.get_x(shapely.from_wkb(geometry)).tolist() == x.tolist()
    with sqlite3.connect(path) as database:
        assert database.execute("pragma user_version").fetchone() == (10200,)
    assert [p.name for p in path.parent.iterdir()] == ["places.gpkg"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "places.gpkg"
    path.write_text("old")
    with pytest.raises(ValueError, match="same length"):
        write_layer(path, "p", shapely.points([0.0], [0.0]), {"a": np.array([1, 2])}, kind="Point", crs="EPSG:32633")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1

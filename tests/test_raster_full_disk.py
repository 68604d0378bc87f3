"""A raster whose end did not reach the disk never gets its final name: GDAL closes such files without a word."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from lczmap import raster

box = GeoBox((256, 256), Affine(100, 0, 400_000, 0, -100, 5_800_000), "EPSG:32633")
cells = np.random.default_rng(1).integers(1, 18, (3, *box.shape)).astype(np.uint8)
floats = (cells / 17).astype(np.float32)
whole = [((slice(0, 256), slice(0, 256)), floats)]
names = ["a", "b", "c"]
write = {
    "cells": lambda path: raster.write_cells(path, cells, box, names=names, nodata=0),
    "parts": lambda path: raster.write_parts(path, iter(whole), box, names=names),
    "float_cog": lambda path: raster.write_float_cog(path, iter(whole), box, names=names, tags={}),
    "class_map": lambda path: raster.write_class_map(path, cells[0], box, tags={}),
    "generator": lambda path: raster.write_generator_bands(path, cells.astype(np.int16), box, names=names, tags={}),
}[sys.argv[1]]
write(Path("whole.tif"))
size = Path("whole.tif").stat().st_size
# all but the last bytes, which GDAL writes when it closes the file, and ever less
for share in (0.999, 0.99, 0.9, 0.5, 0.1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * share), -1))
    try:
        write(Path("cut.tif"))
    except OSError as error:
        print("refused", error)
    else:
        print("written", Path("cut.tif").stat().st_size, "of", size)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
raster.read_cells(Path("whole.tif"))
"""


@pytest.mark.parametrize("kind", ["cells", "parts", "float_cog", "class_map", "generator"])
def test_what_a_full_disk_cut_off_is_an_error_and_no_file(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", PROGRAM, kind]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["refused"] * 5, result.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"whole.tif", "whole.tif.aux.xml"}

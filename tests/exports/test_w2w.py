"""The real consumer: w2w 0.6.0 reads our exports and writes geo_em files, which are then converted to 61 classes.

It runs in an environment of its own (`make w2w`, or LCZMAP_W2W naming its program), because it needs rasterio < 1.4.
"""

import csv
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyproj
import pytest
from geo_em_files import block_map, write_geo_em

from lczmap.exports.land_categories import convert_geo_em
from lczmap.exports.lcz_generator import export_lcz_generator
from lczmap.exports.netcdf import read_netcdf
from lczmap.exports.wrf import COLUMNS, PARAMETERS, export_wrf
from lczmap.raster import write_class_map, write_float_cog

pytestmark = pytest.mark.workflow
CODES, GEOBOX = block_map()
FEW = ("-n", "20", "-a", "400")  # the domain has 544 cells
COMPARE = """
import json, sys, netCDF4, numpy as np
old, new = (netCDF4.Dataset(name) for name in sys.argv[1:])
same = lambda a, b: bool(np.array_equal(np.ma.filled(a, -9), np.ma.filled(b, -9)))
print(json.dumps({
    "names": list(old.variables) == list(new.variables) or sorted(set(old.variables) ^ set(new.variables)),
    "changed": sorted(n for n in old.variables if n in new.variables and not same(old[n][:], new[n][:])),
    "attributes": sorted(k for k in old.ncattrs() if not np.array_equal(old.getncattr(k), new.getncattr(k))),
    "texts": sorted({n for n in old.variables for k in old[n].ncattrs()
                     if isinstance(old[n].getncattr(k), str) and old[n].getncattr(k) != new[n].getncattr(k)}),
    "sizes": {n: len(d) for n, d in new.dimensions.items() if len(d) != len(old.dimensions[n])},
    "unlimited": new.dimensions["Time"].isunlimited(),
    "kinds": [str(new["LANDUSEF"].dtype), list(new["LANDUSEF"].dimensions)],
}))
"""


@pytest.fixture(scope="module")
def program() -> Path:
    """w2w's program, or skip."""
    own = Path(__file__).parent.parent.parent / ".w2w" / "bin" / "w2w"
    path = Path(os.environ.get("LCZMAP_W2W", own))
    if not path.is_file():
        pytest.skip(f"w2w not found at {path}; `make w2w` installs it, or set LCZMAP_W2W to its program")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Path:
    """A map of all 17 classes, exported, an outer and an inner domain, and what w2w makes of them.

    The band `lcz` says D everywhere, so that only `lczFilter` can give zones.
    """
    folder = tmp_path_factory.mktemp("w2w")
    write_class_map(folder / "lcz.tif", np.full(CODES.shape, 14, np.uint8), GEOBOX, tags={})
    write_class_map(folder / "lcz_filtered.tif", CODES, GEOBOX, tags={})
    rows, cols = CODES.shape
    whole = ((slice(0, rows), slice(0, cols)), np.full((2, rows, cols), 0.5, np.float32))
    write_float_cog(folder / "confidence.tif", [whole], GEOBOX, names=["confidence", "entropy"], tags={})
    sources = (folder / name for name in ("lcz.tif", "lcz_filtered.tif", "confidence.tif"))
    export_lcz_generator(*sources, folder / "lcz_generator.tif")
    export_wrf(folder / "lcz_generator.tif", folder / "urban_parameters.csv", folder / "README.txt")
    write_geo_em(folder / "geo_em.d01.nc", shape=(20, 20), dx=1500)
    write_geo_em(folder / "geo_em.d02.nc")
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path, program: Path) -> str:
    """What w2w printed when it ran on the three-band export with our table."""
    return run(program, folder, "lcz_generator.tif", "geo_em.d02.nc", *FEW, "--lcz-ucp", "urban_parameters.csv")


def run(program: Path, folder: Path, *arguments: str) -> str:
    result = subprocess.run([program, ".", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def fields(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LU_INDEX and FRC_URB2D (y, x), and our map's class there, 0 within 800 m of a border between two classes."""
    found = read_netcdf(path, ("LU_INDEX", "FRC_URB2D", "XLAT_M", "XLONG_M")).variables
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    x, y = to_utm.transform(found["XLONG_M"][0].astype(float), found["XLAT_M"][0].astype(float))
    col, row = ~GEOBOX.transform @ (x, y)
    inner = np.minimum(abs((col + 15) % 30 - 15), abs((row + 15) % 30 - 15)) > 8
    return found["LU_INDEX"][0], found["FRC_URB2D"][0], np.where(inner, CODES[row.astype(int), col.astype(int)], 0)


def test_w2w_takes_the_filtered_band_and_passes_its_own_checks(printed: str) -> None:
    assert "Gaussian filtered default 'LczFilter' layer" in printed
    assert "LCZ labels as expected (1 to 17)" in printed and "LCZ domain is covering WRF domain" in printed
    assert "WARNING" not in printed and "([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) present" in printed


def test_zones_and_built_shares_are_where_our_map_has_them(printed: str, folder: Path) -> None:
    classes, built, ours = fields(folder / "geo_em.d02_LCZ_params.nc")
    for code in range(1, 18):
        here = ours == code
        assert here.sum() >= 2, f"the test sees no cell of class {code}"
        if code <= 10:
            np.testing.assert_array_equal(classes[here], code + 30)
            np.testing.assert_allclose(built[here], PARAMETERS[code][0], atol=1e-6)
        else:
            assert classes[here].max() <= 21 and built[here].max() == 0


def test_our_table_is_the_one_that_w2w_brings(program: Path, folder: Path) -> None:
    theirs = next((program.parent.parent / "lib").glob("python*/site-packages/w2w/resources/LCZ_UCP_lookup.csv"))
    with theirs.open() as one, (folder / "urban_parameters.csv").open() as other:
        for row, own in zip(csv.DictReader(one), csv.DictReader(other), strict=True):
            assert [float(row[c]) for c in ("", *COLUMNS)] == [float(own[c]) for c in ("", *COLUMNS)]


@pytest.mark.parametrize(
    ("name", "moved", "cells"),
    [("geo_em.d02_LCZ_params.nc", ["LANDUSEF", "LU_INDEX"], 10), ("geo_em.d01_41.nc", ["LANDUSEF"], 0)],
)
def test_files_of_w2w_become_files_of_61_classes(
    printed: str, folder: Path, program: Path, name: str, moved: list[str], cells: int
) -> None:
    zones = convert_geo_em(folder / name, folder / f"61_{name}")
    assert len(zones) == cells
    command = [program.parent / "python", "-c", COMPARE, folder / name, folder / f"61_{name}"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found.pop("names") in (True, [])
    assert found == {
        "changed": moved,
        "attributes": ["NUM_LAND_CAT"],
        "texts": ["LANDUSEF"],
        "sizes": {"land_cat": 61},
        "unlimited": True,
        "kinds": ["float32", ["Time", "land_cat", "south_north", "west_east"]],
    }
    new = read_netcdf(folder / f"61_{name}", ("LU_INDEX", "LANDUSEF")).variables
    np.testing.assert_array_equal(new["LANDUSEF"][0].argmax(axis=0) + 1, new["LU_INDEX"][0])
    if cells:
        old = read_netcdf(folder / name, ("LU_INDEX",)).variables["LU_INDEX"]
        np.testing.assert_array_equal(new["LU_INDEX"] - old, np.where(old > 30, 20, 0))


def test_the_map_in_metres_with_one_band_works_too(folder: Path, program: Path, tmp_path: Path) -> None:
    for name in ("lcz_filtered.tif", "geo_em.d02.nc"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert "Using layer 0 of the LCZ GeoTIFF" in run(program, tmp_path, "lcz_filtered.tif", "geo_em.d02.nc", *FEW)
    classes, _, ours = fields(tmp_path / "geo_em.d02_LCZ_params.nc")
    built = (ours > 0) & (ours <= 10)
    np.testing.assert_array_equal(classes[built], ours[built] + 30)

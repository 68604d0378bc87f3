"""Each job of the workflow is a process of its own: a verb loads the libraries that its work needs, no others."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from lczmap.raster import write_class_map, write_probabilities

HEAVY = (
    *("torch", "lightning", "transformers", "sklearn", "skimage", "scipy.ndimage", "scipy.io", "numba", "matplotlib"),
    *("pandas", "geopandas", "pyogrio", "pyarrow", "xarray", "distributed", "h5py", "rich"),
)
"""Libraries that take 0.2 s or more of CPU to load, or come with one that does."""
LIGHT = (
    "lczmap.mapping.mosaic, lczmap.mapping.classify, lczmap.provenance, "
    "lczmap.exports.metadata, lczmap.exports.true_color, lczmap.exports.kmz, lczmap.exports.stac, "
    "lczmap.report.page, "
    "lczmap.scenes.search, lczmap.scenes.stack, "
    "lczmap.evaluation.accuracy, lczmap.evaluation.figures, lczmap.evaluation.accuracy_figures, "
    "lczmap.training.patches, lczmap.training.areas, lczmap.training.train, lczmap.aoi"
)
RUN = """
import sys
from lczmap.cli import main
for command in sys.argv[1:]:
    sys.argv = ["lczmap", *command.split("|")]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
    print("loaded:", *sys.modules)
"""


def loaded(code: str, *arguments: object) -> set[str]:
    """Return those of HEAVY that a new process has loaded, whose last line of output is `loaded: names of modules`."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(HEAVY) & set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the rasters of a city of 20 × 20 cells."""
    folder = tmp_path_factory.mktemp("city")
    geobox = GeoBox.from_bbox((290000, 5090000, 292000, 5092000), "EPSG:32633", resolution=100)
    codes = np.full(tuple(geobox.shape), 6, np.uint8)
    probabilities = np.zeros((17, *codes.shape), np.float32)
    probabilities[5] = 1
    for name in ("lcz.tif", "lcz_filtered.tif"):
        write_class_map(folder / name, codes, geobox, tags={})
    whole = (slice(0, codes.shape[0]), slice(0, codes.shape[1]))
    write_probabilities(folder / "probabilities.tif", iter([(whole, probabilities)]), geobox, tags={})
    return folder


def test_verbs_that_write_small_files_load_no_heavy_library(city: Path) -> None:
    lcz, filtered, confidence = (city / f"{name}.tif" for name in ("lcz", "lcz_filtered", "confidence"))
    bands, wrf = city / "lcz_generator.tif", city / "wrf"
    commands = (
        ("define-grid", city / "grid.json", "--aoi", "12.30,45.94,12.32,45.96"),
        ("write-aoi", city / "grid.json", city / "aoi.geojson"),
        ("write-confidence", city / "probabilities.tif", confidence),
        ("write-style", lcz, confidence),
        ("write-qgis-project", lcz, city / "project.qgs"),
        ("export-wudapt", filtered, city / "lcz_wudapt.tif"),
        ("export-lcz-generator", lcz, filtered, confidence, bands),
        ("export-wrf", bands, wrf / "urban_parameters.csv", wrf / "README.txt"),
    )
    assert loaded(RUN, *("|".join(map(str, command)) for command in commands)) == set()


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        (LIGHT, set()),
        ("lczmap.scenes.shift", {"scipy.ndimage"}),
        ("lczmap.mapping.filter", {"numba"}),
    ],
)
def test_importing_what_verbs_share_loads_no_heavy_library(modules: str, allowed: set[str]) -> None:
    assert loaded(f"import sys, {modules}\nprint('loaded:', *sys.modules)") <= allowed


def test_work_on_threads_does_not_load_a_cluster() -> None:
    code = """
import sys
from dask.base import compute
from dask.delayed import delayed
from lczmap.parallel import dask_scheduler
for threads in (1, 2):
    with dask_scheduler(threads=threads):
        assert compute(delayed(len)("four")) == (4,)
print("loaded:", *sys.modules)
"""
    assert loaded(code) == set()


def test_only_the_verb_that_was_asked_for_is_built() -> None:
    code = """
import sys
import typer.main
from lczmap.cli import main
built, build = [], typer.main.get_command_from_info
def counted(*arguments, **options):
    built.append(options)
    return build(*arguments, **options)
typer.main.get_command_from_info = counted
try:
    main()
except SystemExit:
    print("built:", len(built))
"""
    command = [sys.executable, "-c", code, "write-style", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "write-style [OPTIONS] {rasters}" in done.stdout, done.stdout
    assert "built: 1" in done.stdout.splitlines()

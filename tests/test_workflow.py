"""The workflow as people run it: real Snakemake processes in a folder of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from rio_cogeo import cog_validate
from workflow_runs import PERIOD, ROOT, city_file, environment, plan, refused, snakemake, succeeded

from lczmap.raster import read_cells, read_class_map

pytestmark = pytest.mark.workflow


SMALL = """
city: small
aoi: tests/configs/demo_small.geojson
start: 2024-05-01
end: 2024-09-30
simulation: {seed: 1, size_m: 4000}
map: {tile_px: 200}
model:
  name: bp_lcz_eb_cnn
  preset: demo
  options: {epochs: 2, network: {widths: [4, 8], blocks: [1, 1], width: 16}}
compare: [wudapt_rf]
accuracy: {bootstraps: 5}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small simulated city, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("work flow")
    succeeded(snakemake(folder, "--configfile", city_file(folder, SMALL)))
    return folder


def run_folder(folder: Path) -> Path:
    return folder / "results" / "small" / PERIOD


def test_a_city_is_mapped_end_to_end(finished: Path) -> None:
    folder = run_folder(finished)
    made = ("lcz.tif", "lcz_filtered.tif", "confidence.tif", "probabilities.tif", "map.png", "run.json", "scenes.json")
    judged = (
        "accuracy.json",
        "accuracy.png",
        "confusion.png",
        "calibration.png",
        "area_quality.csv",
        "bootstraps.json",
    )
    shown = ("report.html", "project.qgs", "rgb.tif", "lcz.qml", "lcz.clr", "aoi.geojson", "training_areas.gpkg")
    exported = ("lcz_generator.tif", "lcz_wudapt.tif", "wrf/urban_parameters.csv", "lcz.kmz", "lcz.gpkg")
    described = ("stac_item.json", "metadata.json")
    for name in (*made, *judged, *shown, *(f"exports/{file}" for file in (*exported, *described))):
        assert (folder / name).stat().st_size > 0, name
    codes, geobox = read_class_map(folder / "lcz.tif")
    probabilities, _ = read_cells(folder / "probabilities.tif", expected=geobox)
    assert codes.max() <= 17 and (codes > 0).mean() > 0.9
    mapped = codes > 0
    assert (probabilities[:, mapped].argmax(axis=0) + 1 == codes[mapped]).all()
    assert abs(probabilities[:, mapped].sum(axis=0) - 1).max() < 1e-4


def test_the_map_is_a_cloud_optimised_geotiff(finished: Path) -> None:
    valid, errors, _ = cog_validate(run_folder(finished) / "lcz.tif", strict=True)
    assert valid, errors
    with rasterio.open(run_folder(finished) / "lcz.tif") as source:
        assert source.tags()["LCZMAP_NETWORK"] == "bp_lcz_eb_cnn"
        assert source.crs.is_projected and source.res == (100, 100)


def test_the_run_is_recorded(finished: Path) -> None:
    record = json.loads((run_folder(finished) / "run.json").read_text())
    assert record["config"]["city"] == "small"
    assert {n["name"] for n in record["networks"]} == {"bp_lcz_eb_cnn", "wudapt_rf"}
    assert all(len(n["sha256"]) == 64 for n in record["networks"])
    assert "imulat" in record["attribution"]
    assert {s["sensor"] for s in record["scenes"]} == {"sentinel-1", "sentinel-2"}
    used = [s for s in record["scenes"] if s["used"]]
    assert sum(s["sensor"] == "sentinel-1" for s in used) == 1  # `dates: single`
    item = json.loads((run_folder(finished) / "exports" / "stac_item.json").read_text())
    assert sorted(item["properties"]["lczmap:scenes"]) == sorted(s["id"] for s in used)


def test_the_compared_network_has_its_own_map_and_accuracy(finished: Path) -> None:
    folder = run_folder(finished) / "models" / "wudapt_rf"
    main = json.loads((run_folder(finished) / "accuracy.json").read_text())
    other = json.loads((folder / "accuracy.json").read_text())
    assert main["cells"] == other["cells"] > 0
    assert (folder / "lcz.tif").read_bytes() != (run_folder(finished) / "lcz.tif").read_bytes()


def test_the_summary_names_what_was_made_how_good_it_is_and_how_long_it_took(finished: Path) -> None:
    command = [sys.executable, "-m", "lczmap", "summarise-run", str(run_folder(finished))]
    said = succeeded(subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT))
    for part in ("report.html", "lcz_filtered.tif", "main network: overall accuracy", "wudapt_rf: overall accuracy"):
        assert part in said
    assert "train_model" in said and "write_confidence" in said


def test_nothing_is_left_to_do_after_a_finished_run(finished: Path) -> None:
    output = succeeded(snakemake(finished, "--configfile", finished / "city.yaml"))
    assert "Nothing to be done" in output


def test_other_tiles_and_the_same_seed_give_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "resources", tmp_path / "resources")
    config = city_file(tmp_path, SMALL.replace("tile_px: 200", "tile_px: 400").replace("compare: [wudapt_rf]", ""))
    succeeded(snakemake(tmp_path, f"results/small/{PERIOD}/lcz.tif", "--configfile", config))
    assert (run_folder(tmp_path) / "lcz.tif").read_bytes() == (run_folder(finished) / "lcz.tif").read_bytes()


def test_a_killed_run_resumes_where_it_was(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "resources", tmp_path / "resources")
    config = city_file(tmp_path, SMALL)
    target = f"results/small/{PERIOD}/tiles/r001c001/s2.tif"
    command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), "--cores", "1"]
    process = subprocess.Popen(
        [*command, target, "--configfile", str(config)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scenes = run_folder(tmp_path) / "scenes.json"
    deadline = time.monotonic() + 120
    while not scenes.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(0.5)  # inside the stacking job, or just behind it
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = scenes.stat().st_mtime_ns
    assert list((tmp_path / ".snakemake" / "locks").iterdir())
    succeeded(snakemake(tmp_path, "--unlock", "--configfile", config))
    succeeded(snakemake(tmp_path, target, "--configfile", config))
    assert (tmp_path / target).is_file()
    assert scenes.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.part"))


def test_a_city_file_maps_that_city_and_not_the_demo(tmp_path: Path) -> None:
    config = city_file(tmp_path, "city: bergen\naoi: {bbox: [5.2, 60.3, 5.4, 60.45]}\n")
    output = succeeded(plan(tmp_path, "--configfile", config))
    assert "results/bergen/" in output
    assert "results/demo/" not in output


def test_two_files_map_two_cities(tmp_path: Path) -> None:
    files = [
        city_file(tmp_path, f"city: {name}\naoi: {{bbox: {box}}}\n", f"{name}.yaml")
        for name, box in (("a", [5.2, 60.3, 5.4, 60.4]), ("b", [10.6, 59.8, 10.9, 60.0]))
    ]
    output = succeeded(plan(tmp_path, "--configfile", *files))
    assert f"results/a/{PERIOD}/lcz.tif" in output and f"results/b/{PERIOD}/lcz.tif" in output


def test_the_workflow_runs_from_a_clone_with_a_space_in_its_path(tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    for name in ("Snakefile", "workflow", "lczmap", "envs", "config", "profiles"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        clone.mkdir(exist_ok=True)
        copy(source, clone / name)
    succeeded(snakemake(tmp_path / "out", "results/demo/grid.json", root=clone))
    assert (tmp_path / "out" / "results" / "demo" / "grid.json").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("city: x\nsentinel2: {souce: local}", "did you mean `source`?"),
        ("city: x\naoi: nowhere.geojson", "no such file; set `aoi`"),
        ("city: x\naoi: {bbox: [0, 0, 30, 1]}", "split the area at a zone border"),
        ("city: x\nmodel: {name: eb_cnn, preset: fast}", "network 'eb_cnn' of x: unknown preset 'fast'; known:"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    output = refused(plan(tmp_path, "--configfile", city_file(tmp_path, text)))
    assert message in " ".join(output.split())
    assert "Traceback" not in output


def test_a_place_outside_the_scenes_says_so_and_leaves_nothing(finished: Path, tmp_path: Path) -> None:
    archive = finished / "resources" / "simulation" / "small" / "archive.yaml"
    text = (
        "city: lost\naoi: {bbox: [2.2, 48.8, 2.4, 48.9]}\nmodel: {name: gul_s2}\n"
        f"sentinel2: {{source: local, archive: '{archive}'}}\n"
    )
    target = f"results/lost/{PERIOD}/scenes.json"
    output = refused(snakemake(tmp_path, target, "--configfile", city_file(tmp_path, text)))
    assert "lies outside all" in " ".join(output.split())
    assert not (tmp_path / target).exists()


def test_the_use_of_conda_without_conda_is_explained_by_snakemake(tmp_path: Path) -> None:
    if shutil.which("conda") or shutil.which("mamba"):
        pytest.skip("conda is installed: there is no message to read")
    output = refused(snakemake(tmp_path, "--use-conda", "results/demo/grid.json"))
    assert "Is conda installed and accessible?" in output


def test_a_profile_sends_stacks_to_a_dask_scheduler(tmp_path: Path) -> None:
    said = succeeded(plan(tmp_path, "--profile", ROOT / "profiles" / "dask"))
    assert "stack-sentinel2" in said and said.count("--dask tcp://127.0.0.1:8786 --threads 1") == 18

"""Adapting a checkpoint to a city: what is read of its tiles, and what the checkpoint then holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from typer.testing import CliRunner

from lczmap.channels import S2_10, SO2SAT8
from lczmap.cli import app
from lczmap.grid import HALO_PX, Grid, tile_geobox, tiles
from lczmap.mapping.adapt import adapt_model
from lczmap.models.adapt import networks_of
from lczmap.models.checkpoint import load_checkpoint, read_description, save_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.models.ensemble import EnsembleClassifier
from lczmap.models.gul import GulRadar
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.radar_features import radar_features
from lczmap.models.registry import create_model
from lczmap.raster import Float, Stack, write_stack

STATE = {"sentinel-1": {"product": "slc"}, "sentinel-2": {"level": "L1C"}}
WEST, NORTH = 400_000.0, 5_800_000.0


def city(tile_px: int) -> Grid:
    """8 × 6 cells of 100 m; the area of interest leaves out the last column."""
    aoi = shapely.box(WEST, NORTH - 600, WEST + 700, NORTH)
    return Grid("EPSG:32633", WEST, NORTH, width=80, height=60, cell_px=10, tile_px=tile_px, aoi=aoi)


@pytest.fixture(scope="module")
def scene() -> Float:
    """All channels of the city with halo (18, y, x); radar with a hole, both sensors with a missing corner."""
    rng = np.random.default_rng(4)
    pixels = rng.normal(0, 0.4, (18, 60 + 2 * HALO_PX, 80 + 2 * HALO_PX))
    pixels[4:6] = rng.gamma(2.0, 0.1, pixels[4:6].shape)
    pixels[8:] = rng.uniform(0, 0.5, pixels[8:].shape)
    pixels[:8, HALO_PX + 33, HALO_PX + 41] = np.nan
    pixels[:, : HALO_PX + 10, : HALO_PX + 10] = np.nan  # the first cell
    return pixels.astype(np.float32)


def write_city(folder: Path, grid: Grid, scene: Float) -> Path:
    for tile in tiles(grid):
        part = scene[:, tile.row : tile.row + tile.height + 2 * HALO_PX, tile.col : tile.col + tile.width + 2 * HALO_PX]
        for sensor, name, channels, pixels in (
            ("sentinel-1", "s1.tif", SO2SAT8.channels, part[:8]),
            ("sentinel-2", "s2.tif", S2_10.channels, part[8:]),
        ):
            write_stack(folder / tile.name / name, Stack(pixels, channels, tile_geobox(grid, tile), STATE[sensor]))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of an untrained radar network of 34 px and a small optical one of 32 px."""
    torch.manual_seed(1)
    members = []
    for sensor, channels, name, size, options in (
        ("sentinel-1", SO2SAT8.channels, "gul_s1", 34, {"margin_px": 1}),
        ("sentinel-2", S2_10.channels, "eb_cnn", 32, {"widths": (2, 4), "blocks": (1, 1)}),
    ):
        members.append(
            TorchClassifier(
                create_model(name, channels, **options),
                ChannelNormaliser(identity(channels)),
                state={sensor: STATE[sensor]},
                patch_px=size,
                metadata={"class_prior": [1 / 17] * 17},
            )
        )
    path = tmp_path_factory.mktemp("model") / "both.safetensors"
    save_checkpoint(path, EnsembleClassifier(members), extra={"note": "kept"})
    return path


def radar_of(path: Path) -> GulRadar:
    network = next(networks_of(load_checkpoint(path))).network
    assert isinstance(network, GulRadar)
    return network


def norms(one: TorchClassifier) -> Float:
    """All batch-norm means in a row."""
    return np.concatenate([v.numpy() for k, v in one.network.state_dict().items() if k.endswith("running_mean")])


def test_statistics_are_those_of_all_valid_pixels_of_the_whole_city(
    checkpoint: Path, scene: Float, tmp_path: Path
) -> None:
    grid = city(40)
    out = tmp_path / "out.safetensors"
    write_city(tmp_path, grid, scene)
    adapt_model(grid=grid, checkpoint=checkpoint, tiles_dir=tmp_path, out_checkpoint=out, stacks=["s1.tif", "s2.tif"])
    features, valid = radar_features(torch.from_numpy(scene[None, :8]))
    core = (slice(HALO_PX, -HALO_PX), slice(HALO_PX, -HALO_PX))
    pixels = features[0][:, *core][:, valid[0, 0][core]].double().numpy()
    assert pixels.shape == (7, 80 * 60 - 100 - 1)
    network = radar_of(out)
    np.testing.assert_allclose(network.scene_mean, pixels.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(network.scene_std, pixels.std(axis=1), rtol=1e-5)
    assert torch.equal(network.stem.weight, radar_of(checkpoint).stem.weight)
    description = read_description(out)
    assert description["extra"] == {"note": "kept"}
    record = description["metadata"]["adaptation"]
    assert (record["batch_norm"], record["prior"], record["patches"]) == (False, "trained", 0)
    assert "transductive" in record["note"] and "400000 E, 5800000 N (EPSG:32633)" in record["note"]
    assert description["members"][0]["metadata"]["adaptation"] == record
    assert "adaptation" not in description["members"][1]["metadata"]  # nothing was asked of the optical network


def test_the_result_depends_on_the_seed_but_not_on_how_the_city_is_cut(
    checkpoint: Path, scene: Float, tmp_path: Path
) -> None:
    adapted = []
    for name, tile_px, seed in (("small", 40, 1), ("whole", 80, 1), ("whole", 80, 2)):
        grid = city(tile_px)
        folder = write_city(tmp_path / name, grid, scene) if seed == 1 else tmp_path / name
        out = tmp_path / f"{name}{seed}.safetensors"
        adapt_model(
            grid=grid,
            checkpoint=checkpoint,
            tiles_dir=folder,
            out_checkpoint=out,
            stacks=["s1.tif", "s2.tif"],
            batch_norm=True,
            prior="em",
            seed=seed,
            patches=12,
        )
        adapted.append(list(networks_of(load_checkpoint(out))))
    for a, b, c in zip(*adapted, strict=True):
        # statistics of the scene are summed up tile by tile: equal up to rounding
        np.testing.assert_allclose(norms(a), norms(b), rtol=1e-4, atol=1e-5)
        assert np.abs(norms(a) - norms(c)).max() > 1e-4
        assert a.inference.log_prior == pytest.approx(b.inference.log_prior, abs=1e-3)
        assert len(a.inference.log_prior) == 17
    radar, optical = adapted[0]
    assert np.array_equal(norms(optical), norms(adapted[1][1]))
    assert radar.metadata["adaptation"]["patches"] in (10, 11, 12)  # two cells lack pixels
    assert radar.metadata["adaptation"]["batch_norm_layers"] == 19


def test_cells_outside_the_area_or_without_pixels_are_not_read(checkpoint: Path, scene: Float, tmp_path: Path) -> None:
    grid = city(40)
    write_city(tmp_path, grid, scene)
    out = tmp_path / "out.safetensors"
    adapt_model(
        grid=grid,
        checkpoint=checkpoint,
        tiles_dir=tmp_path,
        out_checkpoint=out,
        stacks=["s1.tif", "s2.tif"],
        batch_norm=True,
    )
    # 7 × 6 cells less the missing one and that of the hole
    assert read_description(out)["metadata"]["adaptation"]["patches"] == 40


def test_the_verb_makes_a_checkpoint_that_classifies(checkpoint: Path, scene: Float, tmp_path: Path) -> None:
    grid = city(80)
    (tmp_path / "grid.json").write_text(grid.to_json())
    write_city(tmp_path / "tiles", grid, scene)
    out = tmp_path / "out.safetensors"
    arguments = ["adapt-model", tmp_path / "grid.json", checkpoint, tmp_path / "tiles", out, "--batch-norm"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--stack", "s1.tif", "--stack", "s2.tif", "--seed", "3"])
    assert result.exit_code == 0, result.output
    patches = np.ascontiguousarray(scene[None, :, 20:54, 60:94])
    with pytest.raises(ValueError, match="run `lczmap adapt-model`"):
        load_checkpoint(checkpoint).probabilities(patches)
    assert load_checkpoint(out).probabilities(patches).sum() == pytest.approx(1)


def test_nothing_to_adapt_a_missing_stack_and_other_pixels_are_refused(
    checkpoint: Path, scene: Float, tmp_path: Path
) -> None:
    grid = city(80)
    write_city(tmp_path, grid, scene)
    optical = tmp_path / "optical.safetensors"
    save_checkpoint(optical, list(networks_of(load_checkpoint(checkpoint)))[1])
    out = tmp_path / "out.safetensors"
    where = {"grid": grid, "tiles_dir": tmp_path, "out_checkpoint": out}
    with pytest.raises(ValueError, match="eb_cnn has nothing to adapt to a city unless"):
        adapt_model(checkpoint=optical, stacks=["s2.tif"], **where)
    with pytest.raises(ValueError, match="needs the sentinel-1 channels"):
        adapt_model(checkpoint=checkpoint, stacks=["s2.tif"], **where)
    plain = tmp_path / "plain.safetensors"
    network = create_model("cnn_yoo", S2_10.channels, image_size=16, widths=[2], hidden=2)
    normaliser = ChannelNormaliser(identity(S2_10.channels))
    save_checkpoint(plain, TorchClassifier(network, normaliser, state=STATE, patch_px=16))
    with pytest.raises(ValueError, match="cnn_yoo has no batch norm"):
        adapt_model(checkpoint=plain, stacks=["s2.tif"], batch_norm=True, **where)
    write_stack(
        tmp_path / "r000c000" / "s2_x.tif",
        Stack(scene[8:], S2_10.channels, tile_geobox(grid, tiles(grid)[0]), {"level": "L2A"}),
    )
    with pytest.raises(ValueError, match="expected 'L1C', got 'L2A'"):
        adapt_model(checkpoint=optical, stacks=["s2_x.tif"], batch_norm=True, **where)
    adapt_model(checkpoint=optical, stacks=["s2_x.tif"], batch_norm=True, allow_level_mismatch=True, **where)
    nowhere = replace(grid, aoi=shapely.box(0, 0, 1, 1))
    with pytest.raises(ValueError, match="at least 2 cells of the area of interest with enough pixels"):
        adapt_model(checkpoint=optical, stacks=["s2.tif"], batch_norm=True, **{**where, "grid": nowhere})

"""What the configuration demands of networks, and of cities that learn from each other."""

from pathlib import Path

import pytest

from lczmap.channels import INPUTS, channel_sensor
from lczmap.config import Config, check_apart
from lczmap.config.parts import ARCHITECTURES, ENSEMBLE, PRETRAINED, WITHOUT_PRIOR
from lczmap.config.recipes import check_recipes
from lczmap.config.untested import untested
from lczmap.configfiles import load_configs
from lczmap.models.cards import PUBLISHED
from lczmap.models.registry import list_models
from lczmap.models.rf import FOREST

SLC = (
    "aoi: {bbox: [-9.25, 38.65, -9.05, 38.85]}\ntraining: {areas: a.kml}\nsentinel2: {source: gcs}\n"
    "sentinel1: {source: slc, channels: rsnnet9}\n"
)
JOINED = "model: {name: ensemble, members: [eb_cnn, gul_s2]}\ncompare: [eb_cnn, gul_s2]\n"


def load(tmp_path: Path, *texts: str) -> tuple[Config, ...]:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    return load_configs([tmp_path / f"{number}.yaml" for number in range(len(texts))], root=tmp_path)


def one(tmp_path: Path, text: str) -> Config:
    (config,) = load(tmp_path, text)
    return config


def test_a_named_input_says_which_sensors_are_seen(tmp_path: Path) -> None:
    for name, channels in INPUTS.items():
        config = one(tmp_path, SLC + f"model: {{name: rsnnet, input: {name}, sensors: [sentinel-2]}}")
        assert set(config.sensors_of(config.model)) == {channel_sensor(c) for c in channels}
    assert not one(tmp_path, "model: {name: rsnnet, input: D2}").sees_radar


def test_an_ensemble_sees_what_its_members_see(tmp_path: Path) -> None:
    config = one(tmp_path, JOINED)
    assert config.sensors_of(config.model) == ("sentinel-1", "sentinel-2")
    assert [m.is_trained for m in config.models] == [False, True, False]
    config = one(tmp_path, JOINED.replace("eb_cnn", "sen2lcz"))
    assert config.sensors_of(config.model) == ("sentinel-2",)


def test_gul_s1_sees_radar_alone_and_is_always_fitted_to_its_scene(tmp_path: Path) -> None:
    config = one(tmp_path, "sentinel2: {level: L2A}\nmodel: {name: gul_s1}\nallow_level_mismatch: false")
    assert config.sensors_of(config.model) == ("sentinel-1",)
    assert config.model.is_adapted and not config.model.is_trained
    assert not one(tmp_path, "model: {name: gul_s2}").model.is_adapted
    assert one(tmp_path, "model: {name: gul_s2, adapt: {batch_norm: true}}").model.is_adapted
    assert one(tmp_path, "model: {name: sen2lcz, adapt: {prior: em}}").model.is_adapted


def test_ensembles_of_ready_networks_may_teach(tmp_path: Path) -> None:
    text = "training: {labels: teacher, teacher: both}\ncompare: [gul_s1, gul_s2, {id: both, name: ensemble, members: "
    one(tmp_path, text + "[gul_s1, gul_s2]}]")
    with pytest.raises(ValueError, match="must be a ready network"):
        one(tmp_path, text + "[gul_s1, bp_lcz_eb_cnn]}]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model: {name: ensemble, members: [gul_s2]}\ncompare: [gul_s2]",
            r"needs two `members` or more, got \['gul_s2'\]",
        ),
        (
            JOINED.replace("compare: [eb_cnn, ", "compare: ["),
            r"must be other networks of the run \['gul_s2'\], got 'eb",
        ),
        (JOINED + "map: {explanation: true}", "`map.explanation` needs a network with text"),
        ("compare: [gul_s2, {name: ensemble, members: [gul_s2, ensemble]}]", "got 'ensemble'"),
        (
            JOINED.replace("gul_s2]\n", "gul_s2, {id: two, name: ensemble, members: [eb_cnn, ensemble]}]\n", 2),
            "the member 'ensemble' of 'two' is an ensemble too",
        ),
        (JOINED.replace("ensemble,", "ensemble, adapt: {prior: em},"), "is not adapted itself"),
        (JOINED.replace("ensemble,", "ensemble, checkpoint: x.safetensors,"), "takes no `checkpoint`"),
        ("model: {name: eb_cnn, members: [a, b]}", "`members` of 'eb_cnn' is for the name `ensemble`"),
        ("model: {name: rsnnet, input: D9}", r"`model\.input`: unknown selection of channels 'D9'; known: D1, D2"),
        (
            "model: {name: rsnnet, input: D3}",
            r"needs the radar channels \['Alpha',.*channels` is so2sat8; set .*: rsnnet9",
        ),
        ("model: {name: rsnnet, input: D5}", r"set `sentinel1\.channels: grd4 or rsnnet9`"),
        ("sentinel1: {use: off}\nmodel: {name: rsnnet, input: D3}", "has radar channels and `sentinel1.use` is off"),
        ("model: {name: gul_s2, input: D2}", "brings its own channels"),
        (SLC + "compare: [gul_s1]", "'gul_s1' sees the radar channels of So2Sat: set `sentinel1.channels: so2sat8`"),
        ("sentinel1: {use: off}\nmodel: {name: gul_s1}", "'gul_s1' sees no sensor"),
        ("model: {name: gul_s2, adapt: {prior: em}}", "which the authors of gul_s2 do not tell; set `adapt.prior"),
        ("compare: [{name: gul_s1, adapt: {prior: em}}]", "`adapt.prior: em` of 'gul_s1' needs the class shares"),
        (
            JOINED + "allow_level_mismatch: true\nsentinel2: {level: L2A}",
            r"joins \['gul_s2'\], of L1C pixels, and \['eb_cnn'\], trained on L2A",
        ),
        ("model: {name: gul_s2}\ntraining: {labels: teacher}", r"a ready network of `compare` \[\] .*, got None"),
        (
            "model: {name: gul_s2}\ncompare: [sen2lcz]\ntraining: {labels: teacher, teacher: gul_s2}",
            r"ready network of `compare` \['sen2lcz'\] \(a public one, or one with a `checkpoint`\), got gul_s2",
        ),
        (
            "training: {labels: teacher, teacher: gul_s2, patch_px: 48}\ncompare: [gul_s2]",
            r"at least their width of 480 m \(48 px\), got 320 m; set `training\.gap_m: 480`",
        ),
        ("model: {name: wudapt_rf, adapt: {prior: em}}", "neither batch normalisation nor a prior"),
        ("model: {name: eb_cnn, adapt: {batchnorm: true}}", r"unknown key `model\.adapt\.batchnorm`; did you mean"),
        (
            "model: {name: eb_cnn}\nmap: {explanation: true}",
            r"needs a network with text \(bp_lcz_…\), the run has \['eb_",
        ),
        ("training: {patch_px: 33}", r"`training\.patch_px`: .*multiple of 2, got 33"),
        ("training: {patch_px: 64}", r"`training\.patch_px`: .*less than or equal to 48, got 64"),
        (
            "training: {labels: teacher, teacher: gul_s2, cities: others}\ncompare: [gul_s2]",
            "learns from the areas of other",
        ),
    ],
)
def test_networks_that_do_not_fit_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(tmp_path, text)


LEFT_OUT = "city: a\ntraining: {cities: others}\n"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "`training.cities: others` of a needs a second city"),
        ("city: a\nstart: 2024-04-01", "needs a second city"),
        ("city: b\ntraining: {patch_px: 48}", r"expected the same `training\.patch_px`, got 32 and 48"),
        ("city: b\nsentinel2: {season: dry}", r"expected the same `sentinel2\.season`, got all and dry"),
        ("city: b\nsentinel1: {channels: grd4}", r"expected the same `sentinel1\.channels`, got so2sat8 and grd4"),
        ("city: b\nsentinel1: {use: off}", "see Sentinel-1 and those of b do not"),
        (
            "city: b\ncompare: [gul_s2]\ntraining: {labels: teacher, teacher: gul_s2}",
            "from b, whose patches a teacher labels: set its `training.labels: areas`",
        ),
        (
            "city: b\nmodel: {name: gul_s2}\nsentinel2: {source: gcs}\nsentinel1: {use: off}",
            "b, which has no training areas",
        ),
    ],
)
def test_cities_that_cannot_learn_from_each_other_say_why(tmp_path: Path, other: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, LEFT_OUT, *([] if other is None else [other]))


def test_a_city_without_labels_may_learn_from_others(tmp_path: Path) -> None:
    city = SLC.replace("{areas: a.kml}", "{cities: others}") + "city: a\n"
    configs = load(tmp_path, city, SLC + "city: b\n")
    assert [config.has_labels for config in configs] == [False, True]
    radar_apart = "city: b\nsentinel1: {channels: grd4}"  # nothing of a network that sees optical bands alone
    load(tmp_path, LEFT_OUT + "model: {name: eb_cnn, sensors: [sentinel-2]}", radar_apart)


SIMULATED = "city: {}\nsimulation: {{seed: {}}}\ntraining: {{cities: {}}}\nsentinel1: {{use: off}}\nmodel: {{name: {}}}"


def test_a_city_does_not_learn_from_its_own_ground_under_another_name(tmp_path: Path) -> None:
    def configs(*seeds: int, name: str = "eb_cnn") -> tuple[Config, ...]:
        cities = ((city, seed, "others" if city == "a" else "own") for city, seed in zip("ab", seeds, strict=True))
        return load(tmp_path, *(SIMULATED.format(*city, name) for city in cities))

    with pytest.raises(ValueError, match="a shall learn from b, but their areas overlap or nearly touch"):
        check_apart(configs(1, 1), lambda one, other: (one.city, other.city) == ("a", "b"))
    check_apart(configs(1, 1), lambda *_: False)
    check_apart(configs(1, 2), lambda *_: True)  # two simulated cities on the same coordinates
    check_apart(configs(1, 1, name="gul_s2"), lambda *_: True)  # nothing is learned


READY = "{name: exvit, checkpoint: x.safetensors}"
JOINED_PUBLIC = "model: {name: ensemble, members: [sen2lcz, gul_s2]}\ncompare: [sen2lcz, gul_s2]"
TAUGHT = "training: {labels: teacher, teacher: gul_s2}\n"


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("model: {name: gul_s2}\ncompare: [sen2lcz]", "all"),
        ("model: {name: gul_s1}", "all"),  # fitted to the city's pixels, without labels
        ("model: {name: sen2lcz, adapt: {batch_norm: true, prior: em}}", "all"),
        (JOINED_PUBLIC, "all"),
        ("model: {name: eb_cnn}", "test"),
        ("model: {name: gul_s2}\ncompare: [eb_cnn]", "test"),  # on the same polygons as the one that learned
        (JOINED, "test"),
        ("model: {name: gul_s2}\ncompare: [wudapt_rf]", "test"),
        (f"model: {READY}", "test"),  # it may have learned from these very areas
        (f"model: {{name: gul_s2}}\ncompare: [{READY}]", "test"),
        (f"compare: [{READY}, gul_s2]\nmodel: {{name: ensemble, members: [exvit, gul_s2]}}", "test"),
        (TAUGHT + "model: {name: eb_cnn}\ncompare: [gul_s2]", "all"),
        (f"training: {{labels: teacher, teacher: exvit}}\nmodel: {{name: eb_cnn}}\ncompare: [{READY}]", "test"),
    ],
)
def test_all_areas_test_the_map_only_where_no_network_can_have_learned_from_them(
    tmp_path: Path, text: str, split: str
) -> None:
    assert one(tmp_path, text).tested_split == split


def test_all_areas_test_a_city_that_is_left_out(tmp_path: Path) -> None:
    text = LEFT_OUT + (
        "model: {name: eb_cnn}\ncompare: [gul_s2, {id: known, name: ensemble, members: [eb_cnn, gul_s2]}]\n"
    )
    left_out, other = load(tmp_path, text, "city: b")
    assert (left_out.tested_split, other.tested_split) == ("all", "test")
    assert [left_out.is_public(m) for m in left_out.models] == [False, True, True]
    # of a ready network it is not known where it learned; all are tested where it may be
    ready = load(tmp_path, text.replace("compare: [", f"compare: [{READY}, "), "city: b")[0]
    assert ready.tested_split == "test"


def test_a_city_has_areas_whether_or_not_a_network_learns_from_them(tmp_path: Path) -> None:
    real = "aoi: {bbox: [-9.25, 38.65, -9.05, 38.85]}\nsentinel2: {source: gcs}\nsentinel1: {use: off}\n"
    taught = "compare: [gul_s2]\ntraining: {labels: teacher, teacher: gul_s2, areas: a.kml}\n"
    assert one(tmp_path, real + taught).has_labels
    assert not one(tmp_path, real + taught.replace(", areas: a.kml", "")).has_labels
    assert one(tmp_path, real + "model: {name: gul_s2}\ntraining: {areas: a.kml}").has_labels
    assert not one(tmp_path, real + "model: {name: gul_s2}").has_labels
    assert one(tmp_path, TAUGHT + "compare: [gul_s2]").has_labels  # the simulated city brings its own


UNTESTED = "training: {test: 0}\n"


@pytest.mark.parametrize(
    ("text", "tested"),
    [
        ("model: {name: wudapt_rf}", True),
        (UNTESTED + "model: {name: wudapt_rf}", False),
        (UNTESTED + "model: {name: gul_s2}\ncompare: [eb_cnn]", False),
        (UNTESTED + f"model: {READY}", False),
        (UNTESTED + "model: {name: gul_s2}", True),  # all areas test: nothing learned from them
        (TAUGHT.replace("}", ", test: 0}") + "model: {name: eb_cnn}\ncompare: [gul_s2]", True),
        ("aoi: {bbox: [-9.25, 38.65, -9.05, 38.85]}\nsentinel2: {source: gcs}\nmodel: {name: gul_s2}", False),
    ],
)
def test_areas_test_a_map_unless_all_of_them_teach(tmp_path: Path, text: str, tested: bool) -> None:
    assert one(tmp_path, text).areas_test == tested


def test_a_run_without_a_test_says_why_and_how_to_get_one(tmp_path: Path) -> None:
    own = untested(one(tmp_path, UNTESTED + "model: {name: wudapt_rf}"))
    assert own is not None and own.startswith("Every training area was used for training or validation (`training.test")
    assert "`training.test` above 0" in own and "`lczmap sample`" in own
    all_taught = untested(one(tmp_path, UNTESTED.replace("}", ", validation: 0}") + "model: {name: wudapt_rf}"))
    assert all_taught is not None and all_taught.startswith("Every training area was used for training (`training.")
    ready = untested(one(tmp_path, UNTESTED + f"model: {READY}"))
    assert ready is not None and ready.startswith("No training area was kept for testing (`training.test: 0`), and a ")
    assert untested(one(tmp_path, "model: {name: wudapt_rf}")) is None
    assert untested(one(tmp_path, UNTESTED + "model: {name: gul_s2}")) is None
    unlabelled = "aoi: {bbox: [-9.25, 38.65, -9.05, 38.85]}\nsentinel2: {source: gcs}\nmodel: {name: gul_s2}\n"
    assert untested(one(tmp_path, unlabelled + UNTESTED)) is None


def test_the_configuration_knows_all_networks_and_what_their_authors_say() -> None:
    assert set(ARCHITECTURES) == {*list_models(), FOREST, ENSEMBLE}
    assert set(PRETRAINED) == set(PUBLISHED)
    assert set(WITHOUT_PRIOR) == {name for name, published in PUBLISHED.items() if not published.training_counts}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {name: eb_cnn, preset: fast}", "network 'eb_cnn' of demo: unknown preset 'fast'; known: bp_lcz_base"),
        ("model: {name: eb_cnn, options: {epoch: 3}}", "unknown key `epoch`; did you mean `epochs`"),
        ("compare: [{name: eb_cnn, options: {optimiser: {lr: -1}}}]", "`optimiser.lr`: Input should be greater than 0"),
        ("model: {name: eb_cnn, preset: wudapt_rf}", "'wudapt_rf' is a recipe for a random_forest, not for 'eb_cnn'"),
        ("model: {name: wudapt_rf, preset: recipe}", "'recipe' is a recipe for a network, not for 'wudapt_rf'"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_refused_before_anything_is_computed(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_recipes([one(tmp_path, text)])


def test_the_recipes_of_networks_that_are_not_trained_are_not_read(tmp_path: Path) -> None:
    check_recipes([one(tmp_path, "model: {name: eb_cnn, checkpoint: x.safetensors, preset: fast}")])

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from lczmap.configfiles import load_configs
from lczmap.models.losses import build_loss
from lczmap.models.registry import Network, create_model, list_models
from lczmap.reproduce.request import recipe_of
from lczmap.reproduce.tables import Row, list_tables, load_table, parse_table, resolve_channels

ROOT = Path(__file__).parents[2]
ROWS = [(table, row) for table in list_tables() for row in load_table(table).rows]
TINY_TEXT = {"network": {"text": {"encoder": "mini", "layers": 1, "width": 8, "heads": 1}}}
"""In place of CLIP's text tower, which is not there."""
FIRST: dict[str, tuple[str, ...]] = {}
ONE = {"id": "a", "label": "A", "network": "eb_cnn", "protocol": "bp_lcz"}


def row(table: str, name: str) -> Row:
    return load_table(table).row(name)


@pytest.mark.parametrize("table", list_tables())
def test_every_row_names_a_network_and_a_recipe_that_exist(table: str) -> None:
    known = list_models()
    for one in load_table(table).rows:
        assert one.network in known, one.id
        assert one.ready or recipe_of(one, {}).kind == "network"


def test_the_tables_of_the_papers_are_there() -> None:
    sizes = {name: len(load_table(name).rows) for name in list_tables()}
    assert sizes == {
        "bp_lcz_table2": 18,
        "bp_lcz_table3": 13,
        "cities": 14,
        "gawlikowski_fig4_random": 32,
        "gawlikowski_fig4_unseen": 32,
        "leave_one_city_out": 10,
        "protocols": 6,
        "sen2lcz_official": 1,
        "zhou_table4": 7,
        "zhou_table5": 7,
        "zhou_table6": 28,
    }


# (OA, kappa, AA) in percent, copied from the papers a second time; a row that is not named has no figure
LAN = {"eb_cnn": (79.29, 77.39), "eb_cnn_bp": (86.69, 85.40), "exvit": (77.21, 75.10), "exvit_bp": (79.85, 77.91)}
LAN |= {"resnet50": (51.14, 47.10), "resnext50": (53.68, 49.69), "convnext_tiny": (62.84, 59.49)}
LAN |= {"densenet121": (64.74, 61.68)}
BGP = {"none": (79.29, 77.39), "bgp": (86.15, 84.81), "bgp_softmax": (86.15, 84.81), "bgp_msm": (86.69, 85.40)}
D6, OFFICIAL = (93.28, 92.57, 91.84), (69.369, 66.437, 58.675)
PAPERS: dict[str, dict[str, tuple[float | None, ...]]] = {
    "bp_lcz_table2": LAN | {f"{name}_recipe": figures for name, figures in LAN.items()},
    "bp_lcz_table3": BGP | {f"{name}_recipe": figures for name, figures in BGP.items()},
    "cities": {"pooled_sen2lcz": (75.2, 72.8, 66.04), "unseen_sen2lcz": OFFICIAL},
    "gawlikowski_fig4_unseen": {"groups_s3": (None, None, 53.73)},
    "sen2lcz_official": {"sen2lcz": OFFICIAL},
    "zhou_table4": {
        **{"d1": (37.90,), "d2": (91.81,), "d3": (94.25, 93.66, 90.60), "d4": (91.32,)},
        **{"d5": (93.40,), "d6": D6, "d7": (93.15,)},
    },
    "zhou_table5": {
        **{"resnet50": (91.44, 90.55, 89.54), "densenet121": (88.26, 87.03, 80.91), "sen2lcz": (81.42, 79.36, 75.13)},
        **{"lcznet": (90.22, 89.20, 86.65), "mscnn": (80.56, 78.48, 67.41), "cnn_yoo": (78.85, 76.49, 63.63)},
        "rsnnet": D6,
    },
    "zhou_table6": {"rsnnet_gamma2": D6},
}


@pytest.mark.parametrize("table", list_tables())
def test_published_figures_are_the_papers(table: str) -> None:
    expected = PAPERS.get(table, {})
    for one in load_table(table).rows:
        figures = [*expected.get(one.id, ()), None, None, None][:3]
        ours = [one.paper.oa, one.paper.kappa, one.paper.aa]
        assert ours == [f if f is None else pytest.approx(f / 100) for f in figures], one.id
    assert set(expected) <= {one.id for one in load_table(table).rows}


def test_every_published_figure_has_its_source() -> None:
    assert all(r.paper.source for _, r in ROWS if r.paper.oa is not None or r.paper.aa is not None)
    assert all(r.paper.oa is None for t, r in ROWS if t == "zhou_table6" and r.id != "rsnnet_gamma2")


def test_networks_that_are_summed_see_one_branch_each() -> None:
    branches = row("gawlikowski_fig4_random", "groups_s6_independent").inputs
    assert [len(channels) for channels in branches] == [3, 3, 2, 3, 4, 1, 2]
    assert len({c for channels in branches for c in channels}) == 18
    assert [len(c) for c in row("gawlikowski_fig4_unseen", "sar_optical_s6_independent").inputs] == [8, 10]


@cache
def built(name: str, channels: tuple[str, ...], base: str, options: str) -> Network:
    with torch.device("meta"):  # no weights are drawn
        return create_model(name, channels, preset=base, **json.loads(options))


@pytest.mark.slow
def test_the_network_and_the_loss_of_every_row_can_be_built() -> None:
    for _, one in (pair for pair in ROWS if not pair[1].ready):
        recipe = recipe_of(one, TINY_TEXT if one.network.startswith("bp_lcz") else {})
        # what a fusion network is follows from its channels; any other one is built for the first that come
        for channels in one.inputs if one.network == "fusion" else (FIRST.setdefault(one.network, one.inputs[0]),):
            network = built(one.network, channels, recipe.base, json.dumps(recipe.network))
            gamma = recipe.focal.gamma if recipe.criterion == "focal" else 0.0
            build_loss(network, preset=recipe.base, gamma=gamma, **recipe.loss)


def test_every_table_has_a_configuration() -> None:
    files = sorted((ROOT / "config" / "reproduce").glob("*.yaml"))
    sections = [config.reproduce for config in load_configs(files, root=ROOT)]
    assert sorted(s.table for s in sections if s) == list(list_tables())
    assert all(load_table(s.table).choose(s.rows) for s in sections if s)


def test_inputs_are_resolved_by_name() -> None:
    assert len(resolve_channels(["D6"])) == 19
    assert resolve_channels(["bp7.VH", "B4"]) == ("VH_re", "VH_im", "VH_lee", "B4")
    with pytest.raises(ValueError, match="unknown input 'D9'"):
        resolve_channels(["D9"])
    with pytest.raises(ValueError, match="comes twice"):
        resolve_channels(["s2_10", "B4"])


def test_rows_can_be_chosen_and_unknown_ones_are_named() -> None:
    table = load_table("zhou_table4")
    assert [r.id for r in table.choose(["d3", "d1"])] == ["d3", "d1"]
    assert table.choose([]) == table.rows
    with pytest.raises(ValueError, match="no row 'd8'; it has d1, d2"):
        table.choose(["d8"])
    with pytest.raises(ValueError, match="unknown table 'x'; known: bp_lcz_table2"):
        load_table("x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paper": {"oa": 0.5}}, "needs its `source`"),
        ({"paper": {"oa": 50.0, "source": "x"}}, "less than or equal to 1"),
        ({"protocol": "x"}, "unknown protocol 'x'"),
        ({"input": ["x"]}, "unknown input 'x'"),
        ({"nettwork": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_a_table_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_table("t", {"title": "T", "rows": [{**ONE, **change}]})
    with pytest.raises(ValueError, match="two rows are called"):
        parse_table("t", {"title": "T", "rows": [ONE, ONE]})

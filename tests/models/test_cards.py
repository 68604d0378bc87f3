"""Reliability cards: the authors' figures, named as such, and a sentence where there are none."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lczmap.channels import S2_10
from lczmap.cli import app
from lczmap.models.cards import PUBLISHED, card, card_line, short_card
from lczmap.models.pretrained import PUBLIC

PUBLIC_METADATA = {"weights": {"repository": "r/r", "licence": "MIT"}}


def description(name: str, **metadata: Any) -> dict[str, Any]:
    return {
        "name": name,
        "channels": list(S2_10.channels),
        "state": {"sentinel-2": {"level": "L1C"}},
        "metadata": metadata,
    }


def test_every_public_network_has_a_card() -> None:
    assert set(PUBLISHED) == set(PUBLIC)


def test_the_figures_of_sen2lcz_are_those_of_the_released_test_run(real_data: Path) -> None:
    import numpy as np
    import scipy.io

    result = scipy.io.loadmat(real_data / "pretrained" / "sen2lcz" / "Acc_32.mat")
    confusion = result["confusion_matrix"].astype(float)
    right = np.diag(confusion)
    published = PUBLISHED["sen2lcz"]
    recall, precision = right / confusion.sum(axis=1), right / confusion.sum(axis=0)
    assert published.recall == pytest.approx(recall, abs=0.00501)
    assert published.precision == pytest.approx(precision, abs=0.00501)
    assert published.overall["OA"] == pytest.approx(right.sum() / confusion.sum(), abs=5e-4)
    assert published.overall["AA"] == pytest.approx(recall.mean(), abs=5e-4)
    assert published.overall["kappa"] == pytest.approx(float(result["cohKappa"][0, 0]), abs=5e-4)
    assert sum(published.training_counts) == 352_366
    assert sum(published.class_prior) == pytest.approx(1)


def test_the_line_names_the_classes_that_are_found_less_than_half_the_time() -> None:
    line = card_line(description("sen2lcz", card=short_card("sen2lcz"), **PUBLIC_METADATA))
    assert line == (
        "sen2lcz: the authors' result on test cities of So2Sat LCZ42 is OA 0.694, kappa 0.664, AA 0.587; recall below "
        "0.5 for 5, 7, 10, B, C, E. The authors of lczmap have not measured the LCZ accuracy of this network on "
        "Sentinel data."
    )
    assert card_line(description("sen2lcz", **PUBLIC_METADATA)) == line  # imported by a version without cards
    assert "no per-class figures known to us" in str(card_line(description("gul_s1", **PUBLIC_METADATA)))


def test_a_network_that_was_trained_here_has_no_line_unless_it_was_adapted() -> None:
    assert card_line(description("sen2lcz")) is None
    assert card_line({"name": "wudapt_rf", "channels": [], "state": {}}) is None
    assert str(card_line(description("eb_cnn", adaptation={"note": "Adapted."}))).startswith(
        "Adapted. The authors of lczmap"
    )


def test_an_ensemble_has_the_lines_of_its_members_and_the_sentence_once() -> None:
    members = [description(name, card=short_card(name), **PUBLIC_METADATA) for name in ("gul_s2", "sen2lcz", "gul_s2")]
    line = str(card_line({"name": "ensemble", "members": members, "metadata": {}}))
    assert line.count("The authors of lczmap") == line.count("gul_s2:") == line.count("sen2lcz:") == 1


def test_a_card_of_an_ensemble_has_a_section_for_each_member() -> None:
    trained = description("eb_cnn", adaptation={"note": "Adapted to a city."})
    trained["record"] = {"extra": {"best_validation_oa": 0.5, "seed": 47}}
    members = [description("sen2lcz", **PUBLIC_METADATA), description("gul_s2", **PUBLIC_METADATA), trained]
    text = card({"name": "ensemble", "members": members})
    assert text.index("## Member 1: sen2lcz") < text.index("## Member 2: gul_s2") < text.index("## Member 3: eb_cnn")
    assert "| LCZ C: Bush, scrub | 0.05 | 0.27 |" in text
    assert text.count("No per-class figures known to us") == 1
    assert "- Adapted to a city." in text
    assert "- best_validation_oa (validation patches, not an accuracy of a map): 0.500" in text
    assert text.endswith("The authors of lczmap have not measured the LCZ accuracy of this network on Sentinel data.\n")


def test_the_verb_writes_the_card_of_imported_weights(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "pretrained" / "sen2lcz" / "_32_weights.best.hdf5"
    checkpoint, out = tmp_path / "x.safetensors", tmp_path / "card.md"
    for arguments in (["import-weights", "sen2lcz", source, checkpoint], ["write-card", checkpoint, out]):
        assert CliRunner().invoke(app, [str(a) for a in arguments]).exit_code == 0
    text = out.read_text()
    assert text.startswith("# Reliability card: sen2lcz\n")
    assert "| LCZ 1: Compact highrise | 0.53 | 0.42 |" in text
    assert "- Published: OA 0.694, kappa 0.664, AA 0.587" in text

import re

import pytest

from lczmap.channels import BP6, BP7
from lczmap.classes import LABELS
from lczmap.models.text.prompts import build_prompts, load_descriptions, prompts_sha256


def test_bp7_has_119_distinct_prompts_and_bp6_102() -> None:
    for spec, count in ((BP7, 119), (BP6, 102)):
        prompts = build_prompts(spec)
        assert [len(row) for row in prompts] == [17] * len(spec.groups)
        assert len({text for row in prompts for text in row}) == count


def test_the_control_prompt_of_the_paper_is_verbatim() -> None:
    rgb = [g.name for g in BP7.groups].index("RGB")
    assert build_prompts(BP7)[rgb][LABELS.index("G")] == (
        "a photo of a bodies of water such as rivers, lakes, or seas, appearing as uniform blue areas on images "
        "with red green blue bands"
    )


def test_group_words_are_the_papers() -> None:
    endings = [re.sub(r".* with (.*) bands", r"\1", row[0]) for row in build_prompts(BP7)]
    assert endings == [
        "vh",
        "vv",
        "pol",
        "red green blue",
        "vegetation red edge",
        "near infrared",
        "short wave infrared",
    ]


def test_three_descriptions_are_quoted_and_fourteen_are_ours() -> None:
    descriptions = load_descriptions()
    assert tuple(descriptions) == LABELS
    assert [label for label, d in descriptions.items() if d.origin == "paper"] == ["1", "9", "G"]
    assert {d.origin for d in descriptions.values()} == {"paper", "lczmap"}
    assert descriptions["9"].text == (
        "areas with minimal building density, characterized by isolated structures and significant open spaces"
    )


def test_our_descriptions_follow_the_phrasing_rules() -> None:
    ours = [d.text for d in load_descriptions().values() if d.origin == "lczmap"]
    for text in ours:
        assert 10 <= len(text.split()) <= 22
        assert not re.search(r"\d", text)
        assert not text.endswith(".")
    assert len({d.text for d in load_descriptions().values()}) == 17


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("2", "3", ("mid-height", "low")),
        ("4", "5", ("towers", "blocks")),
        ("5", "6", ("blocks", "houses")),
        ("B", "C", ("trees", "shrubs")),
        ("C", "D", ("shrubs", "grass")),
        ("E", "F", ("rock", "soil")),
        ("8", "10", ("roofs", "chimneys")),
    ],
)
def test_confusable_classes_differ_in_an_explicit_word(one: str, other: str, words: tuple[str, str]) -> None:
    descriptions = load_descriptions()
    assert words[0] in descriptions[one].text
    assert words[0] not in descriptions[other].text
    assert words[1] in descriptions[other].text
    assert words[1] not in descriptions[one].text


def test_class_text_and_group_text_can_be_switched() -> None:
    assert build_prompts(BP7, class_text="name")[0][10] == "a photo of a dense trees with vh bands"
    assert build_prompts(BP7, class_text="index")[0][10] == "a photo of a local climate zone A with vh bands"
    without = build_prompts(BP7, class_text="name", group_text=False)
    assert len(set(without)) == 1
    assert without[0][10] == "a photo of a dense trees"
    with pytest.raises(ValueError, match="extended, name or index"):
        build_prompts(BP7, class_text="colour")  # type: ignore[arg-type]


def test_the_hash_changes_with_words_and_with_order() -> None:
    prompts = build_prompts(BP7)
    assert prompts_sha256(prompts) == prompts_sha256(build_prompts(BP7))
    assert len({prompts_sha256(p) for p in (prompts, prompts[::-1], build_prompts(BP6))}) == 3

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from lczmap.channels import BP6, BP7
from lczmap.models.text.encoders import (
    MiniEncoder,
    PromptBank,
    PrototypeBank,
    build_text_side,
    distinct,
    save_text_features,
    words,
)
from lczmap.models.text.prompts import build_prompts

MINI = {"encoder": "mini", "layers": 2, "width": 16, "heads": 2}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,-"


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """Save a CLIP text model of width 16 with a tokenizer of single letters."""
    folder = tmp_path / "clip"
    folder.mkdir()
    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=200,
        projection_dim=12,
        bos_token_id=0,
        eos_token_id=1,
    )
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder


@pytest.fixture
def bert_folder(tmp_path: Path) -> Path:
    """Save a BERT of width 16 with a vocabulary of the words of the prompts."""
    folder = tmp_path / "bert"
    folder.mkdir()
    vocabulary = sorted({word for text in distinct(build_prompts(BP7)) for word in words(text)})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "-", *vocabulary]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_mini_gives_one_feature_per_group_and_class() -> None:
    bank = build_text_side(MINI, BP7, 24)
    assert bank().shape == (7, 17, 24)
    assert len({tuple(row) for row in bank().flatten(0, 1).tolist()}) == 119
    assert bank.description["vocabulary"][:2] == ["a", "access"]
    assert len(bank.description["prompts_sha256"]) == 64


def test_mini_ignores_padding() -> None:
    torch.manual_seed(47)
    long = MiniEncoder(["short text", "a much longer text than that"], 4, layers=1, width=8, heads=2).eval()
    features = long()
    long.tokens = long.tokens[:1, :2]
    long.position = torch.nn.Parameter(long.position[:2])
    assert torch.allclose(long(), features[:1], atol=1e-6)


def test_mini_of_the_recipe_has_about_three_and_a_half_million_parameters() -> None:
    bank = build_text_side({"encoder": "mini"}, BP7, 512)
    assert sum(p.numel() for p in bank.parameters()) == pytest.approx(3.4e6, rel=0.05)


def test_without_group_text_all_groups_share_one_encoding() -> None:
    bank = build_text_side({**MINI, "group_text": False}, BP7, 8)
    features = bank()
    assert torch.equal(features, features[:1].expand(7, -1, -1))


def test_prototype_is_the_sum_of_a_class_and_a_group_vector() -> None:
    bank = build_text_side({"encoder": "prototype"}, BP6, 8)
    assert isinstance(bank, PrototypeBank)
    features = bank()
    assert features.shape == (6, 17, 8)
    assert sum(p.numel() for p in bank.parameters()) == (6 + 17) * 8
    assert torch.allclose(features[0, 1] - features[0, 0], features[5, 1] - features[5, 0], atol=1e-6)


def test_frozen_features_are_computed_once_and_need_no_gradient() -> None:
    bank = build_text_side({**MINI, "mode": "frozen"}, BP7, 8)
    assert list(bank.parameters()) == []
    assert torch.equal(bank(), bank())
    assert list(bank.state_dict()) == ["frozen"]


def test_last_n_trains_the_last_layers_and_the_projection() -> None:
    bank = build_text_side({**MINI, "mode": "last_n", "last_n": 1}, BP7, 8)
    trained = {name.split(".")[1] + "." + name.split(".")[2] for name, p in bank.named_parameters() if p.requires_grad}
    assert trained == {"layers.1", "norm.weight", "norm.bias", "projection.weight", "projection.bias"}
    with pytest.raises(ValueError, match="at most 2 layers"):
        build_text_side({**MINI, "mode": "last_n", "last_n": 3}, BP7, 8)


def test_cached_features_come_from_the_file_and_get_a_trainable_adapter(tmp_path: Path) -> None:
    prompts = build_prompts(BP7)
    encoder = MiniEncoder(distinct(prompts), 6, layers=1, width=8, heads=2)
    save_text_features(tmp_path / "text.npz", encoder, prompts)
    options = {"encoder": "cached", "mode": "frozen", "source": str(tmp_path / "text.npz")}
    same_width = build_text_side(options, BP7, 6)
    assert torch.allclose(same_width().flatten(0, 1), encoder(), atol=1e-6)  # all 119 are distinct, in this order
    adapted = build_text_side(options, BP7, 10)
    assert adapted().shape == (7, 17, 10)
    assert [name for name, _ in adapted.named_parameters()] == ["adapter.weight", "adapter.bias"]


def test_cached_features_of_other_prompts_are_refused(tmp_path: Path) -> None:
    prompts = build_prompts(BP7)
    save_text_features(tmp_path / "text.npz", MiniEncoder(distinct(prompts), 6, layers=1, width=8, heads=2), prompts)
    options = {"encoder": "cached", "mode": "frozen", "source": str(tmp_path / "text.npz")}
    with pytest.raises(ValueError, match="of other prompts"):
        build_text_side(options, BP6, 6)
    with pytest.raises(ValueError, match="cannot be read"):
        build_text_side({**options, "source": str(tmp_path / "none.npz")}, BP7, 6)
    np.savez(tmp_path / "text.npz", something=np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read"):
        build_text_side(options, BP7, 6)


def test_a_clip_folder_gives_projected_text_embeddings(clip_folder: Path) -> None:
    bank = build_text_side({"encoder": "hf", "source": str(clip_folder)}, BP7, 12)
    assert isinstance(bank, PromptBank)
    features = bank()
    assert features.shape == (7, 17, 12)  # projection_dim is the width: no adapter
    assert isinstance(bank.adapter, torch.nn.Identity)
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip_folder)
    model = transformers.CLIPTextModelWithProjection.from_pretrained(clip_folder)
    ids = tokenizer([build_prompts(BP7)[3][16]], return_tensors="pt")
    assert torch.allclose(model(**ids).text_embeds[0], features[3, 16], atol=1e-5)
    features.sum().backward()
    assert sum(p.grad is not None for p in bank.parameters()) > 10


def test_a_bert_folder_gives_pooled_features_through_an_adapter(bert_folder: Path) -> None:
    bank = build_text_side({"encoder": "hf", "source": str(bert_folder), "mode": "last_n", "last_n": 1}, BP6, 24)
    assert bank().shape == (6, 17, 24)
    trained = {name for name, p in bank.named_parameters() if p.requires_grad}
    assert "adapter.weight" in trained
    assert any("layer.2." in name for name in trained)
    assert not any("layer.1." in name or "embeddings" in name for name in trained)


def test_a_frozen_clip_folder_leaves_no_model_behind(clip_folder: Path) -> None:
    bank = build_text_side({"encoder": "hf", "source": str(clip_folder), "mode": "frozen"}, BP7, 12)
    assert list(bank.state_dict()) == ["frozen"]


def test_a_prompt_longer_than_the_context_is_refused(bert_folder: Path) -> None:
    config = json.loads((bert_folder / "config.json").read_text())
    model = transformers.BertModel(transformers.BertConfig(**{**config, "max_position_embeddings": 16}))
    model.save_pretrained(bert_folder)
    with pytest.raises(ValueError, match="takes 16"):
        build_text_side({"encoder": "hf", "source": str(bert_folder)}, BP7, 16)


def test_a_text_model_that_is_not_there_is_an_error_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for source in ("openai/clip-vit-base-patch32", str(tmp_path)):
        with pytest.raises(ValueError, match=r"could not be loaded.*mini needs no download"):
            build_text_side({"encoder": "hf", "source": source}, BP7, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "bert"}, "hf, mini, prototype or cached"),
        ({"encoder": "mini", "mode": "maybe"}, "joint, frozen or last_n"),
        ({"encoder": "hf"}, "needs a source"),
        ({"encoder": "cached", "source": "x.npz"}, "expected mode frozen"),
        ({"encoder": "prototype", "mode": "frozen"}, "expected mode joint"),
        ({"encoder": "mini", "mode": "last_n", "last_n": 0}, "1 or more"),
        ({"encoder": "mini", "depth": 3}, r"unknown text options \['depth'\]"),
    ],
)
def test_contradictory_text_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_text_side(options, BP7, 8)

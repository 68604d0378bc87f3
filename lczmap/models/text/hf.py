"""Text models of the transformers library, from a local directory or the hub; imported only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

CLIP_TYPES = ("clip", "clip_text_model")  # model_type in config.json


class HFEncoder(nn.Module):
    """Any text model of transformers over fixed prompts: (P, out_dim).

    CLIP models give their projected text embedding (`CLIPTextModelWithProjection`), others the pooled output, or the
    mean over the tokens where they have none. Weights are read from safetensors only, and no code of a model
    repository is run. `revision` is the hub commit, None for a local directory.
    """

    ids: torch.Tensor
    attention: torch.Tensor

    def __init__(self, prompts: Sequence[str], source: str) -> None:
        super().__init__()
        self.model, tokenizer, config = _load(source)
        self.is_clip = config.model_type in CLIP_TYPES
        self.out_dim = int(config.projection_dim if self.is_clip else config.hidden_size)
        self.revision: str | None = getattr(config, "_commit_hash", None)
        ids = tokenizer(list(prompts), padding=True, return_tensors="pt")  # padded to the longest prompt
        context = int(getattr(config, "max_position_embeddings", ids["input_ids"].shape[1]))
        if ids["input_ids"].shape[1] > context:
            raise ValueError(
                f"the longest prompt has {ids['input_ids'].shape[1]} tokens, text model {source} takes {context}: "
                "shorten the class descriptions, or use class_text: name"
            )
        self.register_buffer("ids", ids["input_ids"], persistent=False)
        self.register_buffer("attention", ids["attention_mask"], persistent=False)

    def forward(self) -> torch.Tensor:
        """Return the features of the prompts, (P, out_dim)."""
        output = self.model(input_ids=self.ids, attention_mask=self.attention)
        if self.is_clip:
            return output.text_embeds  # type: ignore[no-any-return]
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled  # type: ignore[no-any-return]
        weight = self.attention.unsqueeze(-1).to(output.last_hidden_state.dtype)  # (P, L, 1)
        return (output.last_hidden_state * weight).sum(dim=1) / weight.sum(dim=1)  # type: ignore[no-any-return]


def _load(source: str) -> tuple[nn.Module, Any, Any]:
    """Return model, tokenizer and configuration."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(source)
        kind = transformers.CLIPTextModelWithProjection if config.model_type in CLIP_TYPES else transformers.AutoModel
        model = kind.from_pretrained(source, use_safetensors=True, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"text model {source!r} could not be loaded: {str(error).strip().splitlines()[0]} "
            "Expected a directory with config.json, tokenizer files and model.safetensors, or the name of a model on "
            "the Hugging Face hub while it can be reached. Download it once and give the directory as the text source, "
            "or choose another text encoder: mini needs no download"
        ) from error
    return model, tokenizer, model.config

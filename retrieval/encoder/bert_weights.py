"""Loads the weights of a BERT-shaped encoder into numpy, under one set of names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder.finite import check_weights
from retrieval.errors import EncoderError

Array = NDArray[np.float32]

BERT_FAMILIES = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})
SHIFTED_POSITIONS = BERT_FAMILIES - {"bert"}  # their first position is pad_token_id + 1
PREFIXES = ("bert.", "roberta.")


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias; weight (inputs, outputs), bias (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation's gain and offset, both (hidden,)."""

    gain: Array
    offset: Array


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer."""

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    output_norm: Norm
    up: Linear
    down: Linear
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class BertWeights:
    """The whole encoder. `positions` starts at the first real position and includes the token type of a single text."""

    words: Array  # (vocabulary, hidden)
    positions: Array  # (longest text, hidden)
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float

    @property
    def hidden(self) -> int:
        """Width of a token's state."""
        return int(self.words.shape[1])


def is_bert(config: dict[str, Any]) -> bool:
    """Whether this config.json describes an encoder that `load_bert` understands."""
    return (
        config.get("model_type") in BERT_FAMILIES
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def load_bert(folder: Path) -> BertWeights:
    """Weights of `folder`/model.safetensors as float32. Raises `EncoderError` where one is missing or not finite."""
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    raw = {_bare(name): array for name, array in load_file(folder / "model.safetensors").items()}
    read = _Reader(raw, folder)
    first = int(config["pad_token_id"]) + 1 if config["model_type"] in SHIFTED_POSITIONS else 0
    positions = read.array("embeddings.position_embeddings.weight")[first:]
    return BertWeights(
        words=read.array("embeddings.word_embeddings.weight"),
        positions=positions + read.array("embeddings.token_type_embeddings.weight")[0],
        norm=read.norm("embeddings.LayerNorm"),
        layers=tuple(_layer(read, f"encoder.layer.{index}.") for index in range(config["num_hidden_layers"])),
        heads=int(config["num_attention_heads"]),
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
    )


@dataclass(frozen=True, slots=True)
class SpanHead:
    """What a span reader has besides the encoder: types (types, hidden), relative to the first, and two scores."""

    types: Array
    scores: Linear  # (hidden, 2): start and end


def load_span_head(folder: Path) -> SpanHead:
    """The question answering head of `folder`/model.safetensors. Raises `EncoderError` as `load_bert` does."""
    from safetensors.numpy import load_file

    read = _Reader({_bare(name): array for name, array in load_file(folder / "model.safetensors").items()}, folder)
    types, scores = read.array("embeddings.token_type_embeddings.weight"), read.linear("qa_outputs")
    return SpanHead(types - types[0], scores)


def _bare(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)


def _layer(read: _Reader, prefix: str) -> Layer:
    return Layer(
        query=read.linear(prefix + "attention.self.query"),
        key=read.linear(prefix + "attention.self.key"),
        value=read.linear(prefix + "attention.self.value"),
        output=read.linear(prefix + "attention.output.dense"),
        output_norm=read.norm(prefix + "attention.output.LayerNorm"),
        up=read.linear(prefix + "intermediate.dense"),
        down=read.linear(prefix + "output.dense"),
        down_norm=read.norm(prefix + "output.LayerNorm"),
    )


class _Reader:
    """Looks tensors up by name and says which one is missing."""

    def __init__(self, raw: dict[str, Any], folder: Path) -> None:
        self._raw = raw
        self._folder = folder

    def array(self, name: str) -> Array:
        if name not in self._raw:
            raise EncoderError(
                f"{self._folder}/model.safetensors has no tensor {name!r}; expected a BERT-shaped encoder"
            )
        weights = np.asarray(self._raw[name], dtype=np.float32)
        check_weights(self._folder, name, weights)
        return weights

    def linear(self, name: str) -> Linear:
        return Linear(np.ascontiguousarray(self.array(name + ".weight").T), self.array(name + ".bias"))

    def norm(self, name: str) -> Norm:
        return Norm(self.array(name + ".weight"), self.array(name + ".bias"))

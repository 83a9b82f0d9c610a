"""Encoders: text to unit vectors. `open_encoder` is the door; `ENCODERS` lists what has a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from infra.registry import Registry
from retrieval.contracts import Encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL
from retrieval.encoder.pretrained import PRETRAINED

Precision = Literal["auto", "int8", "fp32"]

ENCODERS: Registry[Encoder] = Registry("encoder")


def open_encoder(
    name: str, cache_dir: Path, precision: Precision = "auto", threads: int = 0, max_length: int | None = None
) -> Encoder:
    """The encoder of that name: registered, or a sentence-transformers folder or model id.

    `cache_dir` lies in the data folder, where encoders tuned there are looked for as well (`in_data_folder`).
    `precision` "auto" takes int8 where the processor gains by it; `threads` 0 is one a core; `max_length` (tokens)
    overrides the model's. Raises `EncoderError` when the model cannot be found, exported or trusted.
    """
    if name in ENCODERS:
        return ENCODERS.create(name, cache_dir=cache_dir, precision=precision, threads=threads, max_length=max_length)
    return _open_onnx(name, cache_dir, precision, threads, max_length)


def _open_onnx(name: str, cache_dir: Path, precision: Precision, threads: int, max_length: int | None) -> Encoder:
    from retrieval.encoder.cpu import gains_by_int8
    from retrieval.encoder.export import exported
    from retrieval.encoder.model_folder import locate
    from retrieval.encoder.onnx_encoder import OnnxEncoder

    chosen = precision if precision != "auto" else ("int8" if gains_by_int8() else "fp32")
    return OnnxEncoder(exported(name, locate(name, cache_dir.parent), cache_dir, chosen, max_length), threads)


def _open_default(cache_dir: Path, precision: Precision, threads: int, max_length: int | None) -> Encoder:
    return _open_onnx(DEFAULT_MODEL, cache_dir, precision, threads, max_length)


def _pretrained(name: str) -> Callable[..., Encoder]:
    def build(cache_dir: Path, precision: Precision, threads: int, max_length: int | None) -> Encoder:
        return _open_onnx(name, cache_dir, precision, threads, max_length)

    return build


def _open_hash(**_: object) -> Encoder:
    from retrieval.encoder.hashing import HashEncoder

    return HashEncoder()


BUILT_IN: tuple[tuple[str, Callable[..., Encoder], str], ...] = (
    (DEFAULT_MODEL, _open_default, "384 dimensions, English, 256 tokens; ONNX Runtime, int8 where the CPU gains"),
    ("hash", _open_hash, "256 dimensions, no model: hashed words and character n-grams, any language"),
    *((name, _pretrained(name), about.summary) for name, about in PRETRAINED.items()),
)
for _name, _build, _summary in BUILT_IN:
    ENCODERS.register(_name, _build, _summary)

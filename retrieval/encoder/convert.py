"""Exports one tower to ONNX and proves that it agrees with its source. Runs as a process of its own (see export.py).

The steps: build fp32; compare it with the source; in int8 build that too and compare it with fp32; keep the winner.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from retrieval.encoder.bert_graph import build_bert
from retrieval.encoder.bert_weights import BertWeights, is_bert, load_bert
from retrieval.encoder.manifest import TowerManifest
from retrieval.encoder.model_folder import ModelFolder, read_folder
from retrieval.encoder.probes import PROBES
from retrieval.encoder.reference import encode_tokens
from retrieval.encoder.tokens import TextTokenizer
from retrieval.encoder.tower import MODEL_FILE, TOKENIZER_FILE, Tower
from retrieval.errors import EncoderError
from retrieval.types import Vectors

FP32_BOUND = 0.9999  # smallest cosine with the source that is the same model
INT8_BOUND = 0.97  # smallest cosine with fp32 on any probe; the default model's is 0.98, at nDCG@10 within 0.003
TOWER_FILE = "tower.json"


def convert(source: ModelFolder, target: Path, precision: str) -> TowerManifest:
    """Writes model.onnx and tokenizer.json into `target`. Raises `EncoderError` when fp32 fails its parity check."""
    shutil.copyfile(source.path / TOKENIZER_FILE, target / TOKENIZER_FILE)
    weights = _load(source)
    wanted = _reference_vectors(weights, source, target)
    floats = _build(weights, source, target, int8=False)
    fp32_parity = smallest_cosine(floats, wanted)
    if fp32_parity < FP32_BOUND:
        raise EncoderError(
            f"model {source.path}: exported fp32 agrees to cosine {fp32_parity:.5f}, expected {FP32_BOUND}"
        )
    int8_parity, note = None, ""
    if precision == "int8":
        int8_parity = smallest_cosine(_build(weights, source, target, int8=True), floats)
        if int8_parity < INT8_BOUND:
            note = f"int8 agrees with fp32 only to cosine {int8_parity:.4f}, expected {INT8_BOUND}; using fp32"
            precision = "fp32"
            _build(weights, source, target, int8=False)
    return TowerManifest(
        folder=target.name,
        dim=floats.shape[1],
        max_length=source.max_length,
        pooling=source.pooling,
        prefix="",
        precision=precision,
        reference="numpy",
        fp32_parity=round(fp32_parity, 6),
        int8_parity=None if int8_parity is None else round(int8_parity, 6),
        note=note,
    )


def smallest_cosine(vectors: Vectors, others: Vectors) -> float:
    """Over rows, both L2-normalised."""
    return float((vectors * others).sum(axis=1).min())


def _load(source: ModelFolder) -> BertWeights:
    config = json.loads((source.path / "config.json").read_text(encoding="utf-8"))
    if not (source.plain and source.pooling in ("mean", "cls") and is_bert(config)):
        raise EncoderError(
            f"model {source.path}: family {source.family!r} with pooling {source.pooling!r} cannot be exported; "
            "expected a BERT or RoBERTa encoder with mean or cls pooling"
        )
    return load_bert(source.path)


def _reference_vectors(weights: BertWeights, source: ModelFolder, target: Path) -> Vectors:
    tokenizer = TextTokenizer(target / TOKENIZER_FILE, source.max_length)
    return np.stack([encode_tokens(weights, tokens, source.pooling) for tokens in tokenizer.encode(PROBES)])


def _build(weights: BertWeights, source: ModelFolder, target: Path, *, int8: bool) -> Vectors:
    """Writes the graph and returns what it makes of the probes."""
    import onnx

    onnx.save(build_bert(weights, source.pooling, int8=int8), target / MODEL_FILE)
    tower = Tower(target, dim=weights.hidden, max_length=source.max_length)
    return np.stack([tower.encode_one(text) for text in PROBES])


def main(arguments: list[str] | None = None) -> int:
    """The process: exit code 0 and tower.json in the target, or 1 and the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.encoder.convert", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--precision", choices=("int8", "fp32"), required=True)
    parser.add_argument("--max-length", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        source = read_folder(given.source, given.max_length or None)
        tower = convert(source, given.target, given.precision)
    except EncoderError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (given.target / TOWER_FILE).write_text(json.dumps(asdict(tower)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

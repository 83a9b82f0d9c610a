"""Exports one tower to ONNX and proves that it agrees with its source. Runs as a process of its own (see export.py).

The steps: write fp32; compare it with the source; for int8 write that too and compare it with fp32; keep the winner.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np

from retrieval.disk import refusal
from retrieval.encoder.bert_export import BertExporter, suits
from retrieval.encoder.export import DISK_REFUSED, TOWER_FILE
from retrieval.encoder.finite import check_vectors
from retrieval.encoder.manifest import TowerManifest
from retrieval.encoder.model_folder import ModelFolder, read_folder
from retrieval.encoder.probes import PROBES
from retrieval.encoder.tokens import TextTokenizer
from retrieval.encoder.torch_export import TorchExporter
from retrieval.encoder.tower import MODEL_FILE, TOKENIZER_FILE, Tower
from retrieval.errors import EncoderError
from retrieval.types import Vectors

FP32_BOUND = 0.9999  # smallest cosine with the source at which it is the same model
INT8_BOUND = 0.97  # smallest cosine with fp32 on any probe; the default model's is 0.98 (docs/encoder.md)


class Exporter(Protocol):
    """Knows one model and writes it as ONNX."""

    @property
    def reference(self) -> str:
        """What `reference_vectors` are computed by."""
        ...

    def reference_vectors(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """(n, dim), rows L2-normalised: what the exported graph should give."""
        ...

    def write(self, file: Path, *, int8: bool) -> None:
        """Write the graph `input_ids` [, `attention_mask`] -> `sentence_embedding`."""
        ...


def convert(source: ModelFolder, target: Path, precision: str) -> TowerManifest:
    """Writes model.onnx and tokenizer.json into `target`. Raises `EncoderError` where fp32 is not to be trusted."""
    exporter: Exporter = BertExporter(source) if suits(source) else TorchExporter(source)
    shutil.copyfile(source.path / TOKENIZER_FILE, target / TOKENIZER_FILE)
    floats = _write(exporter, source, target, int8=False)
    check_vectors(source.path, floats)
    fp32_parity = _check_floats(exporter, source, floats)
    int8_parity, note = None, ""
    if precision == "int8":
        int8_parity = smallest_cosine(_write(exporter, source, target, int8=True), floats)
        note = judge_int8(int8_parity)
        if note:
            precision = "fp32"
            _write(exporter, source, target, int8=False)
    return TowerManifest(
        folder=target.name,
        dim=floats.shape[1],
        max_length=source.max_length,
        pooling=source.pooling,
        prefix="",
        precision=precision,
        reference=exporter.reference,
        fp32_parity=fp32_parity,
        int8_parity=int8_parity,
        note=note,
    )


def smallest_cosine(vectors: Vectors, others: Vectors) -> float:
    """Over rows, both L2-normalised; six digits."""
    return round(float((vectors * others).sum(axis=1).min()), 6)


def judge_int8(parity: float) -> str:
    """Why int8 is refused at this parity, "" when it is not."""
    if parity >= INT8_BOUND:
        return ""
    return f"int8 agrees with fp32 only to cosine {parity}, expected {INT8_BOUND} or more; using fp32"


def _check_floats(exporter: Exporter, source: ModelFolder, floats: Vectors) -> float:
    tokenizer = TextTokenizer(source.path / TOKENIZER_FILE, source.max_length)
    parity = smallest_cosine(floats, exporter.reference_vectors(tokenizer.encode(PROBES)))
    if not parity >= FP32_BOUND:  # written so that NaN fails
        raise EncoderError(
            f"model {source.path}: the exported graph agrees with {exporter.reference} to cosine {parity}, "
            f"expected {FP32_BOUND}; its architecture is not understood, choose another model"
        )
    return parity


def _write(exporter: Exporter, source: ModelFolder, target: Path, *, int8: bool) -> Vectors:
    """Writes the graph and returns what it makes of the probes."""
    exporter.write(target / MODEL_FILE, int8=int8)
    tower = Tower(target, dim=0, max_length=source.max_length)
    return np.stack([tower.encode_one(text) for text in PROBES])


def main(arguments: list[str] | None = None) -> int:
    """The process: exit code 0 and tower.json in the target; or 1 or `DISK_REFUSED`, and why on standard error."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.encoder.convert", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--precision", choices=("int8", "fp32"), required=True)
    parser.add_argument("--max-length", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        source = read_folder(given.source, given.max_length)
        tower = convert(source, given.target, given.precision)
        (given.target / TOWER_FILE).write_text(json.dumps(asdict(tower)), encoding="utf-8")
    except EncoderError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        if (refused := refusal(error)) is None:
            raise
        sys.stderr.write(f"{refused}\n")
        return DISK_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""From a question answering model's folder to a reader's: an int8 ONNX graph, its layout, and a check that it agrees.

Takes the reader trained here, and any Hugging Face reader of the BERT, RoBERTa or XLM-R family with its weights in
model.safetensors. Needs neither torch nor transformers.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.answer.reader_folder import (
    CARD_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    TOKENIZER_FILE,
    Calibration,
    ReaderManifest,
    read_folder,
    write_folder,
)
from retrieval.answer.reader_input import MATCHED, SCHEME, SEGMENTS, UNTYPED, Layout, split, windows
from retrieval.encoder.bert_weights import is_bert, load_bert, load_span_head
from retrieval.encoder.model_folder import sha256_of
from retrieval.encoder.span_graph import build_span_reader
from retrieval.encoder.tower import open_session
from search_core.errors import ArtifactError
from search_core.reader.lessons import LESSONS_FILE

SCHEME_KEY = "reader_scheme"  # in config.json of a model trained here: its token types are the rules of reader_input
PUBLISHED_WINDOW = (384, 128)  # tokens and stride of readers published elsewhere (BERT's script for SQuAD)
MARKS = ("question", "passage")  # each one token of every vocabulary in use, and found again in the sequence
MIN_AGREEMENT = 0.98  # correlation of int8's scores with fp32's; MiniLM has 0.999
PROBES = (
    ("When was the pump replaced?", "The pump AX-1200 was replaced in March 2019, after 6,000 hours of work."),
    ("Who signs invoices over 10,000 EUR?", "Invoices over 10,000 EUR are signed by the controller of the centre."),
    ("新员工每年有多少天年假？", "员工手册规定：新员工每年享有十五天带薪年假，满五年后增加到二十天。"),
    ("What grows at night?", "Water rises through the xylem by day; at night the openings of the leaves close. " * 6),
)


def export_reader(
    source: Path, target: Path, calibration: Calibration, origin: Mapping[str, Any], card: str, precision: str = "int8"
) -> ReaderManifest:
    """Write the reader folder `target` from the model in `source`; int8 falls back to fp32 where it disagrees.

    Raises `ArtifactError` for a model of another kind, `EncoderError` where a tensor is missing, `ReaderError` where
    the disk does not take it.
    """
    layout = layout_of(source)
    made = target.parent / f".{target.name}-graphs"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        chosen, agreement = _graphs(source, made, layout, precision)
        body = {**origin, "weights_sha256": sha256_of(source / "model.safetensors"), "int8_agreement": agreement}
        manifest = ReaderManifest(layout, calibration, chosen, origin=body)
        write_folder(target, manifest, card, lambda folder: _fill(folder, source, made / f"{chosen}.onnx"))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return manifest


def recalibrate(folder: Path, calibration: Calibration, origin: Mapping[str, Any], card: str) -> ReaderManifest:
    """The same model with another calibration, further facts of its origin, and another card."""
    old = read_folder(folder)
    manifest = ReaderManifest(
        old.layout, calibration, old.precision, old.answer_tokens, old.scheme, {**old.origin, **origin}
    )
    write_folder(folder, manifest, card, lambda scratch: _keep(folder, scratch))
    return manifest


def layout_of(source: Path) -> Layout:
    """How the model of this folder wants its input, by its config and its tokenizer. Raises `ArtifactError`."""
    from tokenizers import Tokenizer

    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_file(str(source / TOKENIZER_FILE))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise ArtifactError(f"{source} is no model folder: {error}; expected config.json and tokenizer.json") from error
    if not is_bert(config):
        raise ArtifactError(
            f"{source} has model_type {config.get('model_type')!r}; expected bert, roberta, xlm-roberta"
        )
    before, between, after = _special_tokens(tokenizer, source)
    if config.get(SCHEME_KEY) is not None:
        if config[SCHEME_KEY] != SCHEME:
            raise ArtifactError(
                f"{source} has scheme {config[SCHEME_KEY]}; this release knows {SCHEME}: train it again"
            )
        return Layout(before, between, after, MATCHED)
    kinds = SEGMENTS if int(config.get("type_vocab_size", 1)) > 1 else UNTYPED
    length = min(PUBLISHED_WINDOW[0], int(config["max_position_embeddings"]) - 2)  # RoBERTa's first two are not used
    return Layout(before, between, after, kinds, length, PUBLISHED_WINDOW[1])


def _special_tokens(tokenizer: Any, source: Path) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer itself puts before, between and after two texts."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    whole = tokenizer.encode(*MARKS)
    sequences = list(whole.sequence_ids)
    if 0 not in sequences or 1 not in sequences:
        raise ArtifactError(f"{source / TOKENIZER_FILE} does not join two texts; expected one with a post-processor")
    first, second = sequences.index(0), sequences.index(1)
    gap = second - sequences[second - 1 :: -1].index(0)  # the row after the question's last token
    end = len(sequences) - sequences[::-1].index(1)
    ids = whole.ids
    return tuple(ids[:first]), tuple(ids[gap:second]), tuple(ids[end:])


def _graphs(source: Path, made: Path, layout: Layout, precision: str) -> tuple[str, float | None]:
    """Write the graphs into `made`; the precision to serve, and how closely int8 agrees with fp32."""
    import onnx

    weights, head = load_bert(source), load_span_head(source)
    wanted = ("fp32", "int8") if precision == "int8" else ("fp32",)
    for name in wanted:
        onnx.save(build_span_reader(weights, head, int8=name == "int8"), made / f"{name}.onnx")
    if precision != "int8":
        return "fp32", None
    agreement = _agreement(source, made, layout)
    if not agreement >= MIN_AGREEMENT:  # nor where it is NaN, which JSON does not have
        return "fp32", None if math.isnan(agreement) else round(agreement, 6)
    return "int8", round(agreement, 6)


def _agreement(source: Path, made: Path, layout: Layout) -> float:
    """Least correlation of the scores of both graphs over the probes; NaN where one is none."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / TOKENIZER_FILE))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sessions = [open_session(made / f"{name}.onnx") for name in ("fp32", "int8")]
    found: list[float] = []
    for question, passage in PROBES:
        for window in windows(split(tokenizer, question), split(tokenizer, passage), layout):
            fed = {"input_ids": np.array([window.ids], np.int64), "token_type_ids": np.array([window.types], np.int64)}
            exact, rounded = (session.run(None, fed)[0].reshape(-1) for session in sessions)
            found.append(float(np.corrcoef(exact, rounded)[0, 1]))
    return float(np.min(found))


def _fill(folder: Path, source: Path, graph: Path) -> None:
    shutil.copyfile(graph, folder / GRAPH_FILE)
    shutil.copyfile(source / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    if (source / LESSONS_FILE).exists():
        shutil.copyfile(source / LESSONS_FILE, folder / LESSONS_FILE)


def _keep(folder: Path, scratch: Path) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name not in (MANIFEST_FILE, CARD_FILE):
            shutil.copyfile(path, scratch / path.name)

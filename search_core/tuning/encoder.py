"""Tunes an encoder to a corpus: new pieces, contrastive training, interpolation chosen on held-out questions, export.

base folder ─▶ extended by what its tokenizer lacks ─▶ trained ─▶ a share of the way there ─▶ model folder + card
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoder.model_folder import sha256_of
from retrieval.types import Vectors
from search_core.errors import CorpusError, SupervisionError
from search_core.questions.taught_questions import LABELLED, TAUGHT, taught_by
from search_core.tuning.contrastive import Example, Trained, train
from search_core.tuning.documents import check_documents, document_ndcg
from search_core.tuning.examples import Labelled, labelled_examples
from search_core.tuning.export import write_model
from search_core.tuning.held_out import hold_out, hold_out_own
from search_core.tuning.interpolation import interpolate
from search_core.tuning.negatives import mine_negatives
from search_core.tuning.options import TuneOptions
from search_core.tuning.pairs import CorpusText
from search_core.tuning.training_model import TrainingModel
from search_core.tuning.vocabulary import Vocabulary, extend, survey

POOL = 1_000  # passages that held-out questions are ranked against
MINING_POOL = 5_000  # passages that hard negatives are looked for in
MIN_LABELLED = 5  # questions, of which that share is one

Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class TunedEncoder:
    """A model folder that `retrieval.encoder.open_encoder` takes by its path, and how it came to be."""

    folder: Path
    report: dict[str, Any]

    @property
    def is_base(self) -> bool:
        """Whether nothing was better than the encoder as it was."""
        return self.report["share"] == 0.0 and not self.report["new_pieces"]


def tune_encoder(
    texts: Sequence[CorpusText],
    labelled: Sequence[Labelled] | None,
    base: Path,
    target: Path,
    options: TuneOptions | None = None,
    *,
    budget_seconds: float = 600.0,
    seed: int = 0,
    progress: Progress = lambda step, loss: None,
    documents: Sequence[str] = (),
) -> TunedEncoder:
    """Tune the encoder of folder `base` into folder `target`, training for `budget_seconds` at most.

    Without labelled questions the pairs come from the texts. `documents`: whose text each is; of a relevant document no
    text is a negative, and held-out questions rank documents. Without it each text is a document of its own. Raises
    `CorpusError` without texts or with another number of documents, `SupervisionError` where nothing can be learned
    from or chosen by, `TrainingError` where the loss is no number.
    """
    if not texts:
        raise CorpusError("there are no texts to tune an encoder to; ingest documents first")
    check_documents(documents, len(texts))
    options = options or TuneOptions()
    found = survey(base, [text.whole for text in texts]) if options.vocabulary == "extend" else Vocabulary(0.0, ())
    pieces = found.missing if found.unknown_share > options.least_unknown else ()
    with tempfile.TemporaryDirectory(prefix="kb-tune-") as scratch:
        start = Path(scratch) / "start"
        _start(base, start, pieces, seed)
        if pieces:
            first_new = _rows(base)
            rate = options.new_language_rate
            training = replace(options.training, rate=rate, new_rows=first_new, dropout=False)
            options = replace(options, training=training)
        held, source = _examples(texts, labelled, start, options, seed, documents)
        if not held:
            useful = sum(bool(one.relevant) for one in labelled or ())
            raise SupervisionError(
                f"no question is left to choose by: {useful} labelled ones have a relevant text (expected at least "
                f"{MIN_LABELLED}, or no labels and two texts or more), and held_out is {options.held_out} (expected "
                "above 0)"
            )
        trained = train(start, source, options.training, budget_seconds, seed, progress)
        share, scores, weights = _choose(start, trained, texts, held, options, seed, documents)
        report = _report(base, found, pieces, trained, share, scores, options, seed, labelled, len(texts))
        write_model(start, target, weights, report)
    return TunedEncoder(target, report)


def _start(base: Path, start: Path, pieces: Sequence[str], seed: int) -> None:
    if pieces:
        extend(base, start, pieces, seed)
    else:
        shutil.copytree(base, start)


def _rows(base: Path) -> int:
    """Rows of the base's embedding table."""
    from safetensors import safe_open

    with safe_open(base / "model.safetensors", "np") as file:
        name = next(key for key in file.keys() if key.endswith("word_embeddings.weight"))
        return int(file.get_slice(name).get_shape()[0])


def _examples(
    texts: Sequence[CorpusText],
    labelled: Sequence[Labelled] | None,
    start: Path,
    options: TuneOptions,
    seed: int,
    documents: Sequence[str],
) -> tuple[list[Labelled], Iterator[Example]]:
    """Held-out questions, and the stream to train on (`search_core.tuning.held_out`)."""
    if not labelled:
        return hold_out_own(texts, options.held_out, seed, documents)
    held, kept = hold_out(texts, labelled, options.held_out, seed, documents)
    mined = _mined(texts, kept, start, options, seed, documents) if options.hard_negatives else None
    return held, labelled_examples(texts, kept, seed, mined, options.hard_negatives, documents)


def _mined(
    texts: Sequence[CorpusText],
    labelled: Sequence[Labelled],
    start: Path,
    options: TuneOptions,
    seed: int,
    documents: Sequence[str],
) -> list[tuple[int, ...]]:
    model = TrainingModel(start, options.training)
    drawn = np.random.default_rng(seed).permutation(len(texts))[:MINING_POOL]
    vectors = np.zeros((len(texts), model.dim), np.float32)  # a text outside of the pool scores 0: it is not hard
    vectors[drawn] = model.encode_passages([texts[at].whole for at in drawn])
    queries = model.encode_questions([one.question for one in labelled])
    return mine_negatives(queries, vectors, [one.judgements for one in labelled], documents=documents)


def _choose(
    start: Path,
    trained: Trained,
    texts: Sequence[CorpusText],
    held: Sequence[Labelled],
    options: TuneOptions,
    seed: int,
    documents: Sequence[str],
) -> tuple[float, dict[float, float], dict[str, Any]]:
    """The share of the way to the trained weights that ranks the held-out questions best; the smallest of equals."""
    model = TrainingModel(start, options.training)
    base = model.weights()
    pool = _pool(len(texts), held, seed)
    scores: dict[float, float] = {}
    for share in options.interpolations:
        model.load(interpolate(base, trained.weights, share))
        scores[share] = _score(model, texts, held, pool, options, documents or range(len(texts)))
    best = max(scores, key=lambda share: (round(scores[share], 4), -share))
    return best, scores, interpolate(base, trained.weights, best)


def _pool(count: int, held: Sequence[Labelled], seed: int) -> list[int]:
    """Rows to rank: all that is relevant to a held-out question, and others up to `POOL`."""
    wanted = {row for one in held for row in one.relevant}
    others = [int(row) for row in np.random.default_rng(seed).permutation(count) if row not in wanted]
    return sorted(wanted) + others[: max(0, POOL - len(wanted))]


def _score(
    model: TrainingModel,
    texts: Sequence[CorpusText],
    held: Sequence[Labelled],
    pool: Sequence[int],
    options: TuneOptions,
    documents: Sequence[Hashable],
) -> float:
    passages: Vectors = model.encode_passages([texts[row].whole for row in pool])
    queries: Vectors = model.encode_questions([one.question for one in held])
    ranked = zip(queries @ passages.T, held, strict=True)
    return float(np.mean([document_ndcg(scores, pool, one.judgements, documents) for scores, one in ranked]))


def _report(
    base: Path,
    found: Vocabulary,
    pieces: Sequence[str],
    trained: Trained,
    share: float,
    scores: dict[float, float],
    options: TuneOptions,
    seed: int,
    labelled: Sequence[Labelled] | None,
    texts: int,
) -> dict[str, Any]:
    training = options.training
    return {
        "base_weights_sha256": sha256_of(base / "model.safetensors"),
        "texts": texts,
        LABELLED: len(labelled or ()),
        TAUGHT: taught_by(base, (one.question for one in labelled or ())),
        "unknown_share": round(found.unknown_share, 4),
        "new_pieces": len(pieces),
        "steps": len(trained.losses),
        "first_loss": round(trained.losses[0], 4) if trained.losses else None,
        "last_loss": round(trained.losses[-1], 4) if trained.losses else None,
        "share": share,
        "held_out_ndcg@10": {str(key): round(value, 4) for key, value in scores.items()},
        "rate": training.rate,
        "batch": training.batch,
        "lora_rank": training.lora_rank,
        "hard_negatives": options.hard_negatives,
        "deterministic": not training.fast,
        "seed": seed,
        "cpu_seconds": round(trained.cpu_seconds, 1),
    }

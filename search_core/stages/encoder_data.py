"""What the encoder tier stands on: the corpus as texts, the questions it scores by, and a pool to rank."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.encoder import ENCODERS
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.pretrained import PRETRAINED
from retrieval.errors import EncoderError
from search_core.candidate import Candidate
from search_core.conditions import Conditions
from search_core.corpus.legs import Values
from search_core.corpus.snapshot import CorpusSnapshot, key_of
from search_core.spaces.architecture import Architecture
from search_core.stages.labels import Judged, judged_rows
from search_core.thinning import thinned
from search_core.tuning.contrastive import Example
from search_core.tuning.documents import document_ndcg
from search_core.tuning.examples import Labelled, labelled_examples, mixed_examples, own_examples
from search_core.tuning.negatives import mine_negatives
from search_core.tuning.pairs import CorpusText
from search_core.tuning.training_model import TrainingModel
from search_core.tuning.vocabulary import extend, survey

SURVEYED = 2_000  # chunks in which unknown words are looked for first
MIN_UNKNOWN = 0.05  # share of unknown words from which a language is to be learned
POOL, ASKED = 600, 120  # chunks that a trial ranks for so many questions of `choose`
FROM_LEGS = 20  # first chunks of either leg that join the pool for each question
HARD_NEGATIVES = 1  # mined ones per question and step


@dataclass(frozen=True, slots=True)
class EncoderGround:
    """`start` is a folder whose vocabulary is extended where `pieces` are; `base` the encoder it came from."""

    base: Path
    start: Path
    pieces: tuple[str, ...]
    unknown_share: float
    texts: tuple[CorpusText, ...]
    fit: tuple[Labelled, ...]
    asked: tuple[Labelled, ...]  # of `choose`
    pool: tuple[int, ...]  # rows of the snapshot
    documents: tuple[str, ...]  # the key of each row's document
    name: str = ""  # of the encoder that it came from
    questions: tuple[EvalQuery, ...] = ()  # those of `asked`, as they were judged

    def examples(self, architecture: Architecture, start: Candidate, seed: int) -> Iterator[Example]:
        """An endless stream to train on."""
        pairs = architecture["encoder.pairs"]
        if pairs == "mixed":
            return mixed_examples(self.texts, self.fit, seed, self.documents)
        if pairs != "feedback":
            return own_examples(self.texts, seed, titles=pairs == "titles")
        mined = None
        if architecture["encoder.negatives"] == "mined":
            vectors = start.base.snapshot.vectors
            queries = start.encoder.encode_queries([one.question for one in self.fit])
            mined = mine_negatives(queries, vectors, [one.judgements for one in self.fit], documents=self.documents)
        return labelled_examples(self.texts, self.fit, seed, mined, HARD_NEGATIVES, self.documents)

    def score(self, model: TrainingModel) -> Values:
        """(asked,) nDCG@10 of the dense leg alone, among the pool: of documents, as searches are judged."""
        passages = model.encode_passages([self.texts[row].whole for row in self.pool])
        queries = model.encode_questions([one.question for one in self.asked])
        return np.array(
            [
                document_ndcg(queries[at] @ passages.T, self.pool, one.judgements, self.documents)
                for at, one in enumerate(self.asked)
            ]
        )


def encoder_ground(conditions: Conditions, start: Candidate, scratch: Path) -> EncoderGround:
    """Read the corpus, see what the tokenizer of the encoder that serves lacks, prepare the folder to start from."""
    base = trainable(conditions.collection.encoder, conditions.data_dir)
    snapshot = conditions.snapshot
    texts = tuple(CorpusText(chunk.title or chunk.heading, chunk.text) for chunk in snapshot.chunks)
    pieces, share = _prepared(conditions, base, scratch)
    _, fit = _labelled(start, conditions.split.fit)
    places = thinned(conditions.split.choose, ASKED)
    (questions, asked), pool = _labelled(start, places), _pool(start, places, snapshot)
    documents = tuple(key_of(chunk) for chunk in snapshot.chunks)
    name = conditions.collection.encoder
    return EncoderGround(base, scratch, pieces, share, texts, fit, asked, pool, documents, name, questions)


def prepared_anew(ground: EncoderGround, conditions: Conditions, scratch: Path) -> EncoderGround:
    """The ground with a folder to start from made of its base, which is another one by now."""
    pieces, share = _prepared(conditions, ground.base, scratch)
    return replace(ground, start=scratch, pieces=pieces, unknown_share=share)


def _prepared(conditions: Conditions, base: Path, scratch: Path) -> tuple[tuple[str, ...], float]:
    """`scratch` is the base, with what its tokenizer lacks; that, and the share of words unknown before."""
    pieces, share = missing_pieces(conditions, base)
    if pieces:
        extend(base, scratch, pieces, conditions.request.seed)
    else:
        shutil.copytree(base, scratch, dirs_exist_ok=True)
    return pieces, share


def missing_pieces(conditions: Conditions, base: Path) -> tuple[tuple[str, ...], float]:
    """What the tokenizer lacks of the corpus, nothing where it knows nearly all; and the share of unknown words."""
    whole = [f"{chunk.title}\n{chunk.text}" for chunk in conditions.snapshot.chunks]
    share = survey(base, thinned(whole, SURVEYED)).unknown_share
    if share <= MIN_UNKNOWN:
        return (), share
    found = survey(base, whole)
    return found.missing, found.unknown_share


def trainable(encoder: str, data_dir: Path) -> Path:
    """The folder of an encoder, also of one tuned in `data_dir`. Raises `EncoderError` where it has none."""
    if encoder in ENCODERS and encoder != DEFAULT_MODEL and encoder not in PRETRAINED:
        raise EncoderError(f"encoder {encoder!r} is no model that can be trained")
    return locate(encoder, data_dir)


def _labelled(start: Candidate, places: Sequence[int]) -> tuple[tuple[EvalQuery, ...], tuple[Labelled, ...]]:
    """Those of the questions that have something relevant, as they were judged and as they are learned from."""
    judged: Judged = judged_rows(start.base, places)
    useful = [
        (start.base.questions[place], rows) for place, rows in zip(places, judged, strict=True) if any(rows.values())
    ]
    return tuple(one for one, _ in useful), tuple(Labelled(one.text, rows) for one, rows in useful)


def _pool(start: Candidate, places: Sequence[int], snapshot: CorpusSnapshot) -> tuple[int, ...]:
    """What is relevant, what either leg ranks first, and others as far as there is room."""
    relevant = {row for judged in judged_rows(start.base, places) for row in judged}
    ranked: dict[int, None] = dict.fromkeys(sorted(relevant))
    for depth in range(FROM_LEGS):
        for place in places:
            for leg in (start.base.dense[place], start.base.sparse[place]):
                if depth < len(leg):
                    ranked.setdefault(int(snapshot.rows(leg.labels[depth : depth + 1])[0]))
    return tuple(sorted(list(ranked)[: max(POOL, len(relevant))]))

"""Endless training examples: from judged questions, or from the corpus alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from infra.wording import counted
from search_core.errors import SupervisionError
from search_core.tuning.contrastive import Example
from search_core.tuning.documents import rows_alike
from search_core.tuning.pairs import MIN_BODY, CorpusText, own_pairs

JUDGED_SHARE = 0.5  # of mixed examples


@dataclass(frozen=True, slots=True)
class Labelled:
    """A judged question: row of a corpus text -> grade, relevant above 0."""

    question: str
    judgements: Mapping[int, int]

    @property
    def relevant(self) -> tuple[int, ...]:
        """Rows that answer it."""
        return tuple(row for row, grade in self.judgements.items() if grade > 0)


def own_examples(texts: Sequence[CorpusText], seed: int, *, titles: bool = False) -> Iterator[Example]:
    """Pairs that the corpus holds, for ever. Raises `SupervisionError` where it holds none.

    A title is answered by all texts that have it, and a part of a text by all texts that are the same, and by those
    beside it that repeat its end or begin with it (chunks that overlap).
    """
    titled, alike = rows_alike([text.title.strip() for text in texts]), rows_alike([text.body for text in texts])
    alike = [same | beside for same, beside in zip(alike, overlapping(texts), strict=True)]
    for pair in own_pairs(texts, seed, titles=titles):
        is_title = pair.question == texts[pair.group].title.strip()
        yield Example(pair.question, pair.passage, pair.group, (titled if is_title else alike)[pair.group])


def overlapping(texts: Sequence[CorpusText]) -> list[frozenset[int]]:
    """For each row those of the rows before and after it that share text with it (chunks of a document may)."""
    joins = [_goes_over(one.body, other.body) for one, other in pairwise(texts)]
    before, after = [False, *joins], [*joins, False]
    return [
        frozenset(row + step for step, shares in ((-1, before[row]), (1, after[row])) if shares)
        for row in range(len(texts))
    ]


def _goes_over(body: str, following: str) -> bool:
    """Whether the end of a text is the beginning of the one that follows."""
    start = body.rfind(following[:MIN_BODY])
    return start >= 0 and following.startswith(body[start:])


def mixed_examples(
    texts: Sequence[CorpusText], labelled: Sequence[Labelled], seed: int, documents: Sequence[str] = ()
) -> Iterator[Example]:
    """Of a language to be learned: as many pairs of the corpus as of judged questions, in random order, for ever.

    Raises `SupervisionError` as the two do that it mixes.
    """
    generator = np.random.default_rng(seed)
    own, judged = own_examples(texts, seed), labelled_examples(texts, labelled, seed, documents=documents)
    while True:
        yield next(judged if generator.random() < JUDGED_SHARE else own)


def labelled_examples(
    texts: Sequence[CorpusText],
    labelled: Sequence[Labelled],
    seed: int,
    negatives: Sequence[Sequence[int]] | None = None,
    per_question: int = 1,
    documents: Sequence[str] = (),
) -> Iterator[Example]:
    """Each judged question once a round with one of its passages, drawn by the square of its grade.

    `negatives`: mined rows per question, `per_question` of them drawn each time; questions with too few repeat the
    last. `documents`: whose text each row is; all texts of a relevant document answer the question, for it was judged
    as a whole. Without it each text is a document of its own. Raises `SupervisionError` where no question has a
    relevant passage.
    """
    generator = np.random.default_rng(seed)
    known = [place for place, one in enumerate(labelled) if one.relevant]
    if not known:
        raise SupervisionError(f"of {counted(len(labelled), 'question')} none has a relevant text; check the ids")
    mates, alike = rows_alike(documents or range(len(texts))), rows_alike([text.whole for text in texts])
    while True:
        for place in generator.permutation(known):
            one = labelled[place]
            grades = np.array([one.judgements[row] for row in one.relevant], float) ** 2
            row = int(generator.choice(one.relevant, p=grades / grades.sum()))
            hard = negatives[place] if negatives is not None else ()
            drawn = [int(at) for at in generator.choice(hard, per_question)] if len(hard) else []
            yield Example(
                one.question,
                texts[row].whole,
                row,
                frozenset().union(*(rows[at] for at in one.relevant for rows in (mates, alike))),
                tuple(texts[at].whole for at in drawn),
                tuple(drawn),
            )

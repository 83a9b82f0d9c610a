"""Questions that a tuning is chosen by, and what is left to train on: nothing of the former stands in the latter.

A question that was trained on, or another one about the text that answers it, is ranked the better the further the
training went: it would choose the weights that know most by heart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from retrieval.catalog.eval_sets import words_of
from search_core.errors import SupervisionError
from search_core.questions.splits import LARGEST_GROUP, connected
from search_core.tuning.contrastive import Example
from search_core.tuning.examples import Labelled, overlapping, own_examples
from search_core.tuning.pairs import CorpusText

SHARE = 0.2  # of the questions, or of the texts, that are held out at most
ROUNDS = 10  # through the texts that may bring nothing but questions of the same words as held-out ones

Links = Sequence[Sequence[str]]


def hold_out(
    texts: Sequence[CorpusText], labelled: Sequence[Labelled], most: int, seed: int, documents: Sequence[str] = ()
) -> tuple[list[Labelled], list[Labelled]]:
    """At most `most` of the judged questions, none where they are too few; and what may be trained on.

    Questions of the same words stay on one side, and so do those about one document, or texts that say the same; but
    for the latter where they chain too many questions together.
    """
    known = [one for one in labelled if one.relevant]
    words = [[f"words {words_of(one.question)}"] for one in known]
    about = [[link for row in one.relevant for link in _links(texts, row, documents)] for one in known]
    groups = _groups([[*asked, *answered] for asked, answered in zip(words, about, strict=True)], words)
    order = np.random.default_rng(seed).permutation(len(groups))
    held = _taken([groups[at] for at in order], min(most, int(len(known) * SHARE)))
    return [known[at] for at in sorted(held)], [one for at, one in enumerate(known) if at not in held]


def hold_out_own(
    texts: Sequence[CorpusText], most: int, seed: int, documents: Sequence[str] = ()
) -> tuple[list[Labelled], Iterator[Example]]:
    """Questions made of at most `most` texts, none where there is one text alone; and an endless stream of the others.

    Texts of one document stay on one side, and so do those that overlap or say the same; but for what chains too many
    texts together. Nor does the stream have questions of the same words. Raises `SupervisionError` where no text is
    long enough to ask by, as the stream does.
    """
    made: dict[int, str] = {}  # a question of each text, in an order that the seed decides
    for one in islice(own_examples(texts, seed + 1), len(texts)):
        made.setdefault(one.group, one.question)
    same = [[f"text {text.body}"] for text in texts]
    beside = [
        [*links, *_joins(row, others)] for row, (links, others) in enumerate(zip(same, overlapping(texts), strict=True))
    ]
    whole = [[*links, *_links(texts, row, documents)] for row, links in enumerate(beside)]
    group_of = {row: group for group in _groups(whole, beside, same) for row in group}
    ordered = list({id(group_of[row]): group_of[row] for row in made}.values())
    held = _taken(ordered, min(most, max(int(len(texts) * SHARE), min(1, len(texts) // 2))))
    rest = [text for row, text in enumerate(texts) if row not in held]
    asked = [Labelled(question, {row: 1}) for row, question in made.items() if row in held]
    return asked, _without(own_examples(rest, seed), {words_of(one.question) for one in asked}, ROUNDS * len(rest))


def _links(texts: Sequence[CorpusText], row: int, documents: Sequence[str]) -> list[str]:
    return [f"text {texts[row].body}", f"document {documents[row] if documents else row}"]


def _joins(row: int, others: frozenset[int]) -> list[str]:
    return [f"overlap {min(row, other)}" for other in others]


def _groups(*ways: Links) -> list[list[int]]:
    """Places that are linked in the first way that makes no group too large, else in the last."""
    for links in ways:
        groups = connected(links)
        if max(map(len, groups), default=0) <= max(1.0, LARGEST_GROUP * len(links)):
            break
    return groups


def _taken(groups: Sequence[Sequence[int]], most: int) -> set[int]:
    """The first groups, as far as they do not make it more places than `most`."""
    held: set[int] = set()
    for group in groups:
        if len(held) + len(group) <= most:
            held.update(group)
    return held


def _without(examples: Iterator[Example], words: set[str], most: int) -> Iterator[Example]:
    """Those that ask something else. Raises `SupervisionError` where `most` in a row do not."""
    refused = 0
    for one in examples:
        refused = refused + 1 if words_of(one.question) in words else 0
        if not refused:
            yield one
        elif refused > most:
            raise SupervisionError("all texts ask the same, so none is left to train on; give judged questions instead")

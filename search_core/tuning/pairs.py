"""Pairs to learn from that the corpus itself holds: a title and its body, a sentence and the rest, pieces joined.

Most crops are taken out of their passage: left in, equal words alone would answer them. A question in Chinese is
mostly words of the passage in another order with an asking word, so pieces of one passage joined so come near to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from infra.wording import counted
from search_core.errors import SupervisionError

MIN_LETTERS = 4  # of a title or crop worth asking
MIN_BODY = 20  # characters that must be left to answer with
REMOVED = 0.9  # share of crops taken out of their passage
CROP_LETTERS = (8, 60)  # characters of a crop
PIECE_LETTERS = (2, 14)  # characters of one piece of a question
_SENTENCE = re.compile(r"[^。！？!?；;\n]+?(?:(?<=\S)\.(?=\s)|[。！？!?；;\n]|\Z)")
_PIECE = re.compile(r"[^\s，。！？、；：,.!?;:（）()《》“”\"「」\[\]]+")
_HAN = re.compile(r"[㐀-鿿]")
WINDOW, HAN_WINDOW = 600, 110  # characters of a passage to train on, of Latin and of Chinese text
ASKING = ("是什么？", "是谁？", "什么时候？", "在哪里？", "有哪些？", "为什么？", "多少？", "怎么样？", "如何？", "？")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a text that answers it. `group` says which corpus text the answer came from."""

    question: str
    passage: str
    group: int


@dataclass(frozen=True, slots=True)
class CorpusText:
    """One text of the corpus, or a chunk of it."""

    title: str
    body: str

    @property
    def whole(self) -> str:
        """As it is embedded: the title first."""
        return "\n".join(part for part in (self.title, self.body) if part)


def own_pairs(texts: Sequence[CorpusText], seed: int, *, titles: bool = False) -> Iterator[Pair]:
    """Endless pairs, one a text in each round, in an order that `seed` decides.

    `titles`: titles alone, where a text has one. Raises `SupervisionError` where no text yields a pair.
    """
    generator = np.random.default_rng(seed)
    while True:
        made = 0
        for place in generator.permutation(len(texts)):
            pair = _one(texts[place], int(place), generator, titles=titles)
            if pair is not None:
                made += 1
                yield pair
        if made == 0:
            raise SupervisionError(
                f"of {counted(len(texts), 'text')} none is long enough to make a question of; "
                "give judged questions instead"
            )


def _one(text: CorpusText, group: int, generator: np.random.Generator, *, titles: bool) -> Pair | None:
    if titles and len(text.title.strip()) >= MIN_LETTERS:
        question, passage = _title(text, generator)
        return Pair(question.strip(), passage.strip(), group) if len(passage.strip()) >= MIN_BODY else None
    kinds = [_title, _crop, _pieces_question] if _HAN.search(text.body) else [_title, _crop]
    weights = np.array([1.0, 2.0, 3.0][: len(kinds)])
    kind = kinds[generator.choice(len(kinds), p=weights / weights.sum())]
    question, passage = kind(text, generator)
    if len(question.strip()) < MIN_LETTERS or len(passage.strip()) < MIN_BODY:
        return None
    return Pair(question.strip(), passage.strip(), group)


def _title(text: CorpusText, generator: np.random.Generator) -> tuple[str, str]:
    return text.title, text.body


def _crop(text: CorpusText, generator: np.random.Generator) -> tuple[str, str]:
    """A sentence, or the beginning of a long one, and the text without it."""
    sentences = [found for found in _SENTENCE.finditer(text.body) if len(found[0].strip()) >= CROP_LETTERS[0]]
    if not sentences:
        return "", ""
    chosen = sentences[int(generator.integers(len(sentences)))]
    longest = CROP_LETTERS[1] * (1 if _HAN.search(chosen[0]) else 4)
    crop = chosen[0][:longest]
    if generator.random() >= REMOVED:
        return crop, _window(text.body, chosen.start(), generator)
    rest = text.body[: chosen.start()] + text.body[chosen.start() + len(crop) :]
    return crop, _window(rest, chosen.start(), generator)


def _pieces_question(text: CorpusText, generator: np.random.Generator) -> tuple[str, str]:
    """One to three pieces of the same neighbourhood, an asking word behind."""
    shortest, longest = PIECE_LETTERS
    pieces = [found for found in _PIECE.finditer(text.body) if len(found[0]) >= shortest]
    if not pieces:
        return "", ""
    first = int(generator.integers(len(pieces)))
    near = pieces[first : first + 4]
    count = min(len(near), int(generator.integers(1, 4)))
    chosen = sorted(generator.choice(len(near), count, replace=False))
    words = [_part(near[place][0], longest, generator) for place in chosen]
    if text.title and generator.random() < 0.3:
        words.insert(0, text.title)
    question = "".join(words) + ASKING[int(generator.integers(len(ASKING)))]
    return question, _window(text.whole, pieces[first].start(), generator)


def _part(piece: str, longest: int, generator: np.random.Generator) -> str:
    if len(piece) <= longest:
        return piece
    start = int(generator.integers(len(piece) - longest + 1))
    return piece[start : start + longest]


def _window(body: str, about: int, generator: np.random.Generator) -> str:
    """Long texts are cut around the place the question is from, so that the encoder sees it."""
    length = HAN_WINDOW if _HAN.search(body) else WINDOW
    if len(body) <= length:
        return body
    start = max(0, min(about - int(generator.integers(length // 2)), len(body) - length))
    return body[start : start + length]

"""What a span reader is given: the tokens of a question and a passage, cut into windows, with a type for each token.

A small model finds it hard to learn from thousands of questions that a word of the passage also stands in the
question, which is a string comparison. So the comparison is made here and told to the model (the "exact match"
features of DrQA, Chen et al. 2017), together with how a word is written, since uncased vocabularies lose capitals.
Both go in as the token type, for which BERT's input has a table anyway.

The rules below are part of a trained reader: a change makes another `SCHEME`, which old readers refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SCHEME = 1
MATCHED, SEGMENTS, UNTYPED = KINDS = ("matches", "segments", "none")
QUESTION_TOKENS = 48  # a longer question is cut
SHAPES = 4  # other, capitalised, all capitals, with a digit
MATCHES = 5  # none, a stop word, the same stem, the same word, the same two words in a row
QUESTION_TYPES = 2  # not in the passage, in the passage
TYPES = QUESTION_TYPES + MATCHES * SHAPES
_NONE, _STOP_WORD, _STEM, _WORD, _PAIR = range(MATCHES)
_SUFFIX = re.compile(r"(?<=...)(?:ations?|ments?|ings?|ers?|ions?|ies|ied|ed|es|ly|al|s|e|y)$")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff]"
)  # no spaces between words
_STOP = frozenset(
    "a an the of in on at by for to from with as and or but is are was were be been do does did has have had it its "
    "this that these those what which who whom whose when where why how 's s not no can could would may , . ? ! ; : "
    "( ) \" ' - 的 了 是 在 和 与 及 ， 。 ？ 、 ： ； “ ” （ ） 《 》 什 么 哪 谁 何 ? 吗 呢 有 为 被".split()
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model wants its input: special tokens before the question, before the passage, and at the end.

    `kinds` says what the token types are: "matches" (the rules below), "segments" (0 and 1) or "none" (all 0). A
    window has at most `length` tokens; the next one begins `stride` tokens of the passage later, or half of the room
    later where a long question leaves room for less than `stride`.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    kinds: str = MATCHED
    length: int = 256
    stride: int = 128


@dataclass(frozen=True, slots=True)
class Piece:
    """A text as tokens: numbers, character spans in the text, and the place of each token's word in `words`."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    word_of: tuple[int, ...]
    words: tuple[str, ...]  # as written
    lowered: tuple[str, ...]
    begins: tuple[bool, ...]  # whether an answer may begin at the token: not inside a word
    closes: tuple[bool, ...]  # whether it may end there


@dataclass(frozen=True, slots=True)
class Window:
    """One input: `[CLS] question [SEP] part of the passage [SEP]`. `first` is the row of the part's first token.

    Row 0 is the place of "no answer".
    """

    ids: tuple[int, ...]
    types: tuple[int, ...]
    first: int
    spans: tuple[tuple[int, int], ...]  # of the part's tokens, in characters of the passage
    begins: tuple[bool, ...]
    closes: tuple[bool, ...]


def split(tokenizer: Any, text: str) -> Piece:
    """Tokens of a text by a `tokenizers.Tokenizer` that neither cuts nor pads."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        begins.setdefault(word, start)
        ends[word] = end
    place = {word: at for at, word in enumerate(begins)}
    words = tuple(text[begins[word] : ends[word]] for word in begins)
    lowered = tuple(word.lower() for word in words)
    word_of = tuple(place[word] for word in encoding.word_ids)
    borders = [-1, *word_of, -1]
    free = [_UNSPACED.search(words[word]) is not None for word in word_of]
    opens = tuple(free[row] or borders[row] != borders[row + 1] for row in range(len(word_of)))
    closes = tuple(free[row] or borders[row + 1] != borders[row + 2] for row in range(len(word_of)))
    return Piece(tuple(encoding.ids), tuple(encoding.offsets), word_of, words, lowered, opens, closes)


def windows(question: Piece, passage: Piece, layout: Layout) -> Iterator[Window]:
    """The passage in windows. A passage without tokens has none."""
    asked = question.ids[:QUESTION_TOKENS]
    asked_types, types = _types(question, passage, layout.kinds)
    lead = (*layout.before, *asked, *layout.between)
    lead_types = (0,) * len(layout.before) + tuple(asked_types[: len(asked)]) + (0,) * len(layout.between)
    room = layout.length - len(lead) - len(layout.after)
    stride = layout.stride if layout.stride <= room else max(1, room // 2)  # or what is between two would not be read
    for start in range(0, len(passage.ids), stride):
        part = slice(start, start + room)
        ids = (*lead, *passage.ids[part], *layout.after)
        closing = (types[-1] if layout.kinds == SEGMENTS else 0,) * len(layout.after)
        allowed = passage.begins[part], passage.closes[part]
        yield Window(ids, (*lead_types, *types[part], *closing), len(lead), passage.spans[part], *allowed)
        if start + room >= len(passage.ids):
            return


def _types(question: Piece, passage: Piece, kinds: str) -> tuple[Sequence[int], Sequence[int]]:
    if kinds == MATCHED:
        return token_types(question, passage)
    return [0] * len(question.ids), [int(kinds == SEGMENTS)] * len(passage.ids)


def token_types(question: Piece, passage: Piece) -> tuple[list[int], list[int]]:
    """Types of the question's and of the passage's tokens, below `TYPES`."""
    matches = _matches(question.lowered, passage.lowered)
    known = set(passage.lowered) | {_stem(word) for word in passage.lowered}
    asked = [int(word in known or _stem(word) in known) for word in question.lowered]
    kinds = [QUESTION_TYPES + match * SHAPES + _shape(word) for match, word in zip(matches, passage.words, strict=True)]
    return [asked[word] for word in question.word_of], [kinds[word] for word in passage.word_of]


def _matches(asked: Sequence[str], words: Sequence[str]) -> list[int]:
    there, stems = set(asked), {_stem(word) for word in asked if word not in _STOP}
    pairs = set(zip(asked, asked[1:], strict=False))
    found = [_match(word, there, stems) for word in words]
    for at, pair in enumerate(zip(words, words[1:], strict=False)):
        if pair in pairs and not (pair[0] in _STOP and pair[1] in _STOP):
            found[at] = found[at + 1] = _PAIR
    return found


def _match(word: str, asked: set[str], stems: set[str]) -> int:
    if word in asked:
        return _STOP_WORD if word in _STOP else _WORD
    return _STEM if word not in _STOP and _stem(word) in stems else _NONE


def _stem(word: str) -> str:
    return _SUFFIX.sub("", word)


def _shape(word: str) -> int:
    if any(map(str.isdigit, word)):
        return 3
    if not word[:1].isupper():
        return 0
    return 2 if len(word) > 1 and word.isupper() else 1

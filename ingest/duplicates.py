"""Finds documents with the same or nearly the same text, and reports them as groups; nothing is dropped for it.

Near duplicates: MinHash (Broder 1997) over shingles of four tokens, candidates by locality-sensitive hashing. A token
is a word, or one character of Chinese, Japanese or Korean text, so both kinds of writing are compared alike.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash, RMinHashLSH

THRESHOLD = 0.8  # estimated Jaccard similarity of shingle sets from which on two texts are near duplicates
PERMUTATIONS = 128  # standard error of the estimate: sqrt(0.8 * 0.2 / 128) = 0.035
BANDS = 32  # of 4 rows: a pair at similarity 0.8 becomes a candidate with probability 1 - (1 - 0.8^4)^32 > 0.9999
SHINGLE = 4  # tokens
_AT_ONCE = 20_000  # shingles that are held in memory
_MIN_TOKENS = 8  # texts shorter than that are near duplicates of too much: they are compared for equality only
_SEED = 1

_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]|[^\W_\u3040-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Documents that say the same. `similarity` is the least estimate that joined one of them: 1.0 when all are equal.

    `keys` are in the order of arrival, so the first is the one that the others repeat.
    """

    keys: tuple[str, ...]
    similarity: float

    @property
    def is_exact(self) -> bool:
        """Whether all texts are the same but for case, width, punctuation and white space."""
        return self.similarity == 1.0


class DuplicateFinder:
    """Takes documents one by one and knows at any time which of them repeat an earlier one.

    >>> finder = DuplicateFinder()
    >>> finder.add("a", "The pump stops when the filter is blocked.")
    >>> finder.add("b", "the pump stops, when the filter is blocked")
    'a'
    >>> finder.groups()
    [DuplicateGroup(keys=('a', 'b'), similarity=1.0)]
    """

    def __init__(self) -> None:
        self._lsh = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
        self._keys: list[str] = []  # by number of arrival
        self._digests: dict[int, NDArray[np.uint32]] = {}
        self._same: dict[bytes, int] = {}  # hash of the normalised text -> first document with it
        self._first: dict[int, tuple[int, float]] = {}  # document -> (the earlier one it repeats, similarity)

    def __len__(self) -> int:
        """How many documents repeat an earlier one."""
        return len(self._first)

    def add(self, key: str, text: str) -> str | None:
        """The key of an earlier document with the same or nearly the same text, None when this one is new."""
        tokens = tokenize(text)
        number = len(self._keys)
        self._keys.append(key)
        if not tokens:
            return None
        found = self._find(number, tokens)
        if found is None:
            return None
        self._first[number] = found
        return self._keys[found[0]]

    def groups(self) -> list[DuplicateGroup]:
        """All groups of two and more, in the order of their first documents."""
        members: dict[int, list[int]] = defaultdict(list)
        for number in self._first:
            members[self._root(number)].append(number)
        return [self._group(root, members[root]) for root in sorted(members)]

    def _find(self, number: int, tokens: list[str]) -> tuple[int, float] | None:
        same = self._same.setdefault(hashlib.blake2b("\0".join(tokens).encode(), digest_size=16).digest(), number)
        if same != number:
            return same, 1.0
        if len(tokens) < _MIN_TOKENS:
            return None
        sketch = RMinHash(PERMUTATIONS, _SEED)
        for start in range(0, len(tokens) - SHINGLE + 1, _AT_ONCE):
            sketch.update(shingles(tokens[start : start + _AT_ONCE + SHINGLE - 1]))
        nearest = self._nearest(sketch)
        self._lsh.insert(number, sketch)
        self._digests[number] = np.asarray(sketch.digest(), np.uint32)
        return nearest

    def _nearest(self, sketch: Any) -> tuple[int, float] | None:
        digest = np.asarray(sketch.digest(), np.uint32)
        scored = [(float((self._digests[other] == digest).mean()), -other) for other in self._lsh.query(sketch)]
        similarity, other = max(scored, default=(0.0, 0))
        # equal digests do not prove equal texts: only the exact comparison gives 1.0
        return (-other, min(similarity, 0.999)) if similarity >= THRESHOLD else None

    def _root(self, number: int) -> int:
        while number in self._first:
            number = self._first[number][0]
        return number

    def _group(self, root: int, members: Iterable[int]) -> DuplicateGroup:
        repeats = sorted(members)
        return DuplicateGroup(
            tuple(self._keys[number] for number in (root, *repeats)), min(self._first[number][1] for number in repeats)
        )


def tokenize(text: str) -> list[str]:
    """Words in lower case and single East Asian characters; width, punctuation and white space do not count."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def shingles(tokens: list[str]) -> list[str]:
    """Runs of four tokens, each once."""
    return list(dict.fromkeys(_runs(tokens)))


def _runs(tokens: list[str]) -> Iterator[str]:
    for run in zip(*(tokens[at:] for at in range(SHINGLE)), strict=False):
        yield " ".join(run)


def find_duplicates(texts: Iterable[tuple[str, str]]) -> list[DuplicateGroup]:
    """The groups among these (key, text) pairs."""
    finder = DuplicateFinder()
    for key, text in texts:
        finder.add(key, text)
    return finder.groups()

"""Text to token numbers by the model's own tokenizer, and how much of a text that tokenizer knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from retrieval.errors import EncoderError

COVERAGE_CHARACTERS = 4_000  # of a longer text only the beginning is judged
SPELT_OUT_LETTERS = 4  # a word this long in single-letter pieces is spelt, not known


class TextTokenizer:
    """The `tokenizers` library on a tokenizer.json, cutting at `max_length` tokens."""

    def __init__(self, file: Path, max_length: int) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain Exception
            raise EncoderError(f"tokenizer {file} cannot be read: {error}; expected a fast tokenizer's file") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers a text, special tokens included, at most `max_length` of them."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def coverage(self, text: str) -> float:
        """Share of the text's letters in words the vocabulary knows: not unknown, and not spelt letter by letter.

        1 for a text without letters.
        """
        text = text[:COVERAGE_CHARACTERS]
        letters = sum(map(str.isalpha, text))
        if letters == 0:
            return 1.0
        encoding = self._uncut.encode(text, add_special_tokens=False)
        return sum(self._known_letters(text, word) for word in _words(encoding)) / letters

    def has_word(self, word: str) -> bool:
        """Whether one token is the whole word."""
        tokens = self._uncut.encode(word, add_special_tokens=False).ids
        return len(tokens) == 1 and tokens[0] != self._unknown

    def _known_letters(self, text: str, pieces: list[tuple[int, int, int]]) -> int:
        """Letters of one word, given as (token, start, end) pieces; 0 when the vocabulary does not know it."""
        letters = sum(map(str.isalpha, text[pieces[0][1] : pieces[-1][2]]))
        unknown = any(token == self._unknown for token, _, _ in pieces)
        spelt_out = letters >= SPELT_OUT_LETTERS and len(pieces) >= letters
        return 0 if unknown or spelt_out else letters

    @cached_property
    def _uncut(self) -> Any:
        """A copy that does not truncate; made on first use, since an index job never needs it."""
        from tokenizers import Tokenizer

        copy = Tokenizer.from_str(self._tokenizer.to_str())
        copy.no_truncation()
        return copy

    @cached_property
    def _unknown(self) -> int | None:
        """Number of the unknown token; None where every text can be spelt (byte-level vocabularies)."""
        model = json.loads(self._tokenizer.to_str())["model"]
        if (number := model.get("unk_id")) is not None:
            return int(number)
        token = model.get("unk_token")
        return None if token is None else self._tokenizer.token_to_id(token)


def _words(encoding: Any) -> Iterable[list[tuple[int, int, int]]]:
    """Pieces of one word together, as (token, start, end)."""
    words: dict[int, list[tuple[int, int, int]]] = {}
    for token, word, (start, end) in zip(encoding.ids, encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            words.setdefault(word, []).append((token, start, end))
    return words.values()

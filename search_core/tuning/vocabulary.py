"""New pieces for what a WordPiece tokenizer does not know, so that a language can be learned from the corpus alone.

A character that is in no piece turns its whole word into one unknown token, and all such words into the same vector.
Each such character becomes a piece of its own, with a continuation `##` where it stands inside words. The rows start
as noise about the mean of what the model knows of that script (BERT's rows are far from zero: a zero or small row
would stand outside of what its layer normalisation has seen).
"""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_core.errors import CorpusError

CONTINUED = "##"  # WordPiece's mark of a piece inside a word
WORDS = "embeddings.word_embeddings.weight"
MIN_KNOWN = 50  # rows of a script from which its mean and spread are taken; below that, of all rows


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a corpus asks of a tokenizer. `unknown_share` is of running word tokens, 0 to 1."""

    unknown_share: float
    missing: tuple[str, ...]  # pieces, by falling document frequency, then by code point


def survey(folder: Path, texts: Sequence[str], least_documents: int = 2) -> Vocabulary:
    """The share of unknown tokens in `texts`, and the pieces that would make them known.

    A tokenizer that spells everything out (bytes, Unigram) has no unknown tokens: nothing is missing.
    Raises `CorpusError` without texts.
    """
    if not texts:
        raise CorpusError("there are no texts to look for unknown words in; ingest documents first")
    tokenizer, model = _tokenizer(folder)
    if model["type"] != "WordPiece":
        return Vocabulary(0.0, ())
    unknown = tokenizer.token_to_id(model["unk_token"])
    vocabulary = model["vocab"]
    frequency: Counter[str] = Counter()
    words = lost = 0
    for text in texts:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        words += len(set(encoding.word_ids))
        strange = [span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == unknown]
        lost += len(strange)
        normal = tokenizer.normalizer.normalize_str  # puts spaces around Chinese characters
        surfaces = {word for start, end in set(strange) for word in normal(text[start:end]).split()}
        frequency.update({piece for word in surfaces for piece in _pieces(word) if piece not in vocabulary})
    found = sorted(frequency.items(), key=lambda pair: (-pair[1], pair[0]))
    missing = tuple(piece for piece, count in found if count >= least_documents)
    return Vocabulary(lost / max(words, 1), missing)


def extend(folder: Path, target: Path, pieces: Sequence[str], seed: int) -> None:
    """A copy of the model folder whose tokenizer and embedding table have these pieces too, in this order.

    Raises `CorpusError` where the model has no table that can grow.
    """
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, target, dirs_exist_ok=True)
    raw, known = _extend_tokenizer(target, pieces)
    weights = load_file(target / "model.safetensors")
    name = next((key for key in weights if key.endswith(WORDS)), None)
    if name is None:
        raise CorpusError(f"model {folder} has no tensor {WORDS}; only a BERT-shaped encoder's vocabulary can grow")
    weights[name] = np.vstack([weights[name], first_rows(weights[name], known, pieces, seed)])
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    (target / "config.json").write_text(json.dumps(config | {"vocab_size": len(weights[name])}, indent=1), "utf-8")
    (target / "tokenizer.json").write_text(json.dumps(raw, ensure_ascii=False), "utf-8")


def first_rows(
    table: NDArray[np.float32], known: dict[str, int], pieces: Sequence[str], seed: int
) -> NDArray[np.float32]:
    """(pieces, dim) what the new rows start from: mean of the script's known rows plus noise of their spread."""
    generator = np.random.default_rng(seed)
    by_script: dict[str, list[int]] = {}
    for piece, row in known.items():
        if len(bare := piece.removeprefix(CONTINUED)) == 1:
            by_script.setdefault(_script(bare), []).append(row)
    rows = np.empty((len(pieces), table.shape[1]), np.float32)
    for place, piece in enumerate(pieces):
        like = by_script.get(_script(piece.removeprefix(CONTINUED)), [])
        source = table[like] if len(like) >= MIN_KNOWN else table
        rows[place] = generator.normal(source.mean(axis=0), source.std(axis=0))
    return rows


def _extend_tokenizer(target: Path, pieces: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """The tokenizer's JSON with the pieces, and the pieces it had before; vocab.txt is written along where it is."""
    raw: dict[str, Any] = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
    known = dict(raw["model"]["vocab"])
    first = max(known.values()) + 1
    raw["model"]["vocab"] = known | {piece: first + place for place, piece in enumerate(pieces)}
    plain = target / "vocab.txt"
    if plain.exists():
        lines = [piece for piece, _ in sorted(raw["model"]["vocab"].items(), key=lambda pair: pair[1])]
        plain.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return raw, known


def _tokenizer(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The whole-text tokenizer, and its model as JSON."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, json.loads(tokenizer.to_str())["model"]


def _pieces(word: str) -> Iterable[str]:
    """Letter by letter: the first as it is, the others as continuations."""
    return (letter if place == 0 else CONTINUED + letter for place, letter in enumerate(word))


def _script(letter: str) -> str:
    """The first word of its name: CJK, HANGUL, CYRILLIC …; "" for what has no name."""
    return unicodedata.name(letter, "").partition(" ")[0]

"""Which questions the learned parts of a plan were taught: whoever is tested on these is tested on what he knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.catalog.eval_sets import words_of
from retrieval.encoder import ENCODERS
from retrieval.learned.adapter import QueryAdapter
from retrieval.learned.ranker import Ranker
from search_core.tuning.export import MANIFEST_FILE

DIGITS = 16  # of a hash in hexadecimal: 64 bits
TAUGHT = "taught"  # in the manifest of a tuned encoder
LABELLED = "labelled_questions"  # there: how many
UNKNOWN = (
    "which questions {} was taught is not known, for it is of an earlier version: sealed questions may be among them"
)


@dataclass(frozen=True, slots=True)
class Taught:
    """Hashes of the questions that something was taught, and what is not known of it."""

    questions: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def hash_of(text: str) -> str:
    """Of a question's words, or a passage's, which a learned part can keep without keeping what was asked."""
    return hashlib.sha256(words_of(text).encode(errors="surrogatepass")).hexdigest()[:DIGITS]


def hashes_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(sorted({hash_of(text) for text in texts}))


def taught_to(encoder: str, adapter: QueryAdapter | None, ranker: Ranker | None) -> Taught:
    """What the encoder of that name, adapter and ranker were taught; remembered questions never answer themselves."""
    found, notes = frozenset(adapter.taught or () if adapter else ()), []
    found |= frozenset(ranker.taught if ranker else ())
    if adapter is not None and adapter.taught is None:
        notes.append(UNKNOWN.format("the serving adapter"))
    by_encoder = taught_to_encoder(encoder)
    if by_encoder is None:
        notes.append(UNKNOWN.format("the tuned encoder"))
    return Taught(found | frozenset(by_encoder or ()), tuple(notes))


def taught_to_encoder(encoder: str | Path) -> tuple[str, ...] | None:
    """Hashes of the questions, none of an encoder that nobody tuned; None where that is not known."""
    if str(encoder) in ENCODERS or not (Path(encoder) / MANIFEST_FILE).is_file():
        return ()
    try:
        manifest: Any = json.loads((Path(encoder) / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, Mapping):
        return None
    known = manifest.get(TAUGHT)
    if known is None:
        return () if TAUGHT not in manifest and manifest.get(LABELLED) == 0 else None
    return tuple(map(str, known)) if isinstance(known, list) else None


def may_know(encoder: str | Path, texts: Iterable[str]) -> bool:
    """Whether that encoder was taught one of these questions, or may have been."""
    known = taught_to_encoder(encoder)
    return known is None or not frozenset(known).isdisjoint(hashes_of(texts))


def taught_by(base: str | Path, texts: Iterable[str]) -> list[str] | None:
    """For the manifest of an encoder tuned from `base` with these questions."""
    before = taught_to_encoder(base)
    return None if before is None else sorted({*before, *hashes_of(texts)})

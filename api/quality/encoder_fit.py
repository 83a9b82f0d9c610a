"""Whether a collection's encoder knows the language of its documents."""

from __future__ import annotations

from dataclasses import dataclass

from api.knowledge_base import KnowledgeBase
from retrieval.analysis.folding import HAN
from retrieval.types import OPERATOR

SAMPLED = 40  # documents that are looked at, the first ones by key
KNOWN_ENOUGH = 0.6  # share of letters; MiniLM knows 0.4 of Chinese ones and nearly all English ones
CHINESE = "bge-small-zh-v1.5"  # what is advised for Chinese texts


@dataclass(frozen=True, slots=True)
class EncoderFit:
    """`known`: share of some documents' letters, 0 to 1; `advised`: an encoder for them, "" where none is known."""

    encoder: str
    known: float
    advised: str

    @property
    def is_lost(self) -> bool:
        """Whether vectors tell too little, so that only words find these documents."""
        return self.known < KNOWN_ENOUGH


def encoder_fit(kb: KnowledgeBase, name: str) -> EncoderFit:
    """How far the encoder of that collection knows the letters of its documents; all, where there are none."""
    collection = kb.catalog.collections.get(name)
    keys = [one.document.key for one in kb.catalog.documents.page(collection, OPERATOR, limit=SAMPLED)]
    texts = list(kb.catalog.documents.texts(collection, keys).values())
    encoder = kb.open_encoder(collection.encoder)
    known = sum(map(encoder.coverage, texts)) / len(texts) if texts else 1.0
    chinese = sum(HAN.search(text) is not None for text in texts) > len(texts) / 2
    return EncoderFit(collection.encoder, known, CHINESE if chinese and collection.encoder != CHINESE else "")

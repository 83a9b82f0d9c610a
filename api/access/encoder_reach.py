"""Which encoders a key may name: one that is limited to collections reaches no folder of the server beyond its data."""

from __future__ import annotations

from api.access.callers import Caller
from api.errors import forbidden
from api.knowledge_base import KnowledgeBase
from retrieval.encoder import ENCODERS

TUNED = "artifacts/encoder-"  # how the names of encoders begin that were tuned here


def check_encoder(kb: KnowledgeBase, caller: Caller, collection: str, name: str) -> None:
    """Raises `ApiError` where the caller's key is limited and the encoder is none that this collection may have.

    Any other name is read as a folder or fetched as a model id, and the error of the job would tell what is there.
    """
    if caller.collections is None or name in ("", kb.settings.encoder) or name in ENCODERS:
        return
    had = {one.encoder for one in kb.catalog.generations.all(kb.catalog.collections.get(collection))}
    if name in had or (name.startswith(TUNED) and "/" not in name.removeprefix(TUNED)):
        return
    named = ", ".join(one.name for one in ENCODERS)
    raise forbidden(
        f"encoder {name!r} is a folder or a model to be fetched, and your key is limited to some collections; expected "
        f"one of {named}, or one that this collection has had"
    )

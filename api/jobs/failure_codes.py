"""The stable code of why a job failed, beside its English sentence: programs compare it, the console translates it."""

from __future__ import annotations

from api.http.errors import known_code
from retrieval.catalog.jobs import PROCESS_DIED
from retrieval.errors import EncoderError

FAILED = "failed"  # foreseen, and of no kind that has a name
INTERNAL = "internal"  # not foreseen; as REST's
NOT_TOLD = "not_told"  # to this caller
UNUSABLE_ENCODER = "unusable_encoder"  # over REST it is the server's own trouble, which is not told

OF_JOBS = (FAILED, INTERNAL, NOT_TOLD, PROCESS_DIED, UNUSABLE_ENCODER)  # those that REST's errors need not have


def failure_code(error: Exception) -> str:
    """The code of a foreseen error: REST's, where that has one for it."""
    return UNUSABLE_ENCODER if isinstance(error, EncoderError) else known_code(error) or FAILED

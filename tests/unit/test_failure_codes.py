"""A failed job bears the code that REST gives the same error, or one of its own."""

from __future__ import annotations

import pytest

from api.http.errors import as_api_error
from api.jobs.failure_codes import OF_JOBS, failure_code
from infra.registry import RegistryError
from ingest.errors import MappingError, SourceOutageError
from retrieval.errors import EncoderError, NotStoppedError, RetrievalError, ViewLockedError
from search_core.errors import RunningError, SpaceError, TrainingError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotStoppedError("x"), "conflict"),
        (ViewLockedError("x"), "index_unavailable"),
        (MappingError("x"), "invalid_mapping"),
        (SourceOutageError("x"), "outage"),
        (RegistryError("x"), "unknown_name"),
        (TrainingError("x"), "cannot_tune"),
        (RunningError("x"), "cannot_tune"),
        (SpaceError("x"), "cannot_tune"),
    ],
)
def test_it_is_the_code_of_rest(error: Exception, code: str) -> None:
    assert failure_code(error) == code == as_api_error(error).code


@pytest.mark.parametrize(("error", "code"), [(EncoderError("x"), "unusable_encoder"), (RetrievalError("x"), "failed")])
def test_what_rest_does_not_tell_has_a_code_of_jobs(error: Exception, code: str) -> None:
    assert as_api_error(error).code == "internal"
    assert failure_code(error) == code and code in OF_JOBS

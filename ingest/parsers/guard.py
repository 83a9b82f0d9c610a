"""One net under the libraries that read files: whatever a damaged file makes them raise becomes a `ParseError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import ParseError


@contextmanager
def damaged(name: str, remedy: str = "open it in its program and save it again") -> Iterator[None]:
    """Turns errors of the libraries inside the block into `ParseError`; a `ParseError` passes as it is.

    Catches broadly on purpose: zip, XML and PDF readers raise dozens of types over damaged input (zlib.error,
    struct.error, AttributeError, RecursionError ...), and one bad file must never end a run.
    """
    try:
        yield
    except ParseError:
        raise
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else "no details"
        raise ParseError(f"{name} is damaged ({type(error).__name__}: {detail:.200})", remedy) from error

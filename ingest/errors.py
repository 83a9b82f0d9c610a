"""What ingestion raises.

IngestError
├── ParseError               a file that cannot become a document: broken, encrypted, empty, too large
│   └── UnsupportedError     a file type no parser reads
├── MappingError             a declarative mapping that does not fit its tables
├── EventError               a change event that cannot be understood
└── SourceError              a source that cannot be read: wrong address, missing table, no permission
    └── SourceOutageError    its server does not answer: retry, nothing is wrong with the data
        └── BrokerAwayError  nothing listens where a Kafka broker should be
"""

from __future__ import annotations

from retrieval.errors import OutageError


class IngestError(Exception):
    """Base of everything ingestion raises on purpose; the message names thing, value, expectation and remedy."""


class ParseError(IngestError):
    """A file cannot become a document. `reason` says what is wrong with it, `remedy` what the owner can do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class UnsupportedError(ParseError):
    """No parser reads this type of file."""


class MappingError(IngestError):
    """A mapping does not fit: an unknown table or column, or a template that cannot be read."""


class EventError(IngestError):
    """A change event that cannot be understood; it goes to the dead letters with its payload."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class SourceError(IngestError):
    """A source cannot be read as configured."""


class SourceOutageError(SourceError, OutageError):
    """The source's server does not answer; retry later."""


class BrokerAwayError(SourceOutageError):
    """No Kafka broker takes a connection; asking again costs next to nothing."""

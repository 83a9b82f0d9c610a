"""What retrieval raises.

RetrievalError
├── NotFoundError            a collection, document, plan or key that does not exist
├── ConflictError            a name is taken, or a write contradicts what is stored
│   └── NotStoppedError      a cancelled job's work is still on its way to its end: ask again in a moment
├── OvertakenError           another worker committed what this one was about to: read again, nothing was written
├── InvalidInputError        a value from outside that does not fit what was expected
├── EncoderError             a model folder that cannot be read, exported or trusted
├── ReaderError              a span reader's folder that is incomplete, altered or made by other rules
├── ViewError                an index view cannot be opened, written or read
│   ├── ViewLockedError      another process maintains this view
│   ├── ViewLostError        what the view was kept in is gone: build it again
│   └── ViewOvertakenError   another process writes this shared view since, or its server started again: resume
├── LogPrunedError           a view asks for operations that are no longer kept: build it from the catalog
├── NotYetSearchableError    a search waited for a `seq` that the views did not reach in time
└── OutageError              a server or disk we depend on does not answer: retry, nothing is wrong with the data
"""

from __future__ import annotations


class RetrievalError(Exception):
    """Base of everything retrieval raises on purpose; the message names thing, value, expectation and remedy."""


class NotFoundError(RetrievalError):
    """A collection, document, plan, key or job that does not exist."""


class ConflictError(RetrievalError):
    """A name is taken, or a write contradicts what is stored."""


class NotStoppedError(ConflictError):
    """A job is cancelled, but its work has not stopped yet."""


class OvertakenError(RetrievalError):
    """Another worker committed since this one began; nothing was written, read the stored state and go on from it."""


class InvalidInputError(RetrievalError):
    """A value from outside does not fit what was expected."""


class EncoderError(RetrievalError):
    """A model folder cannot be read, exported, or fails its parity check."""


class ReaderError(RetrievalError):
    """A span reader's folder is incomplete, altered, or was made by rules that this release does not have."""


class ViewError(RetrievalError):
    """An index view cannot be opened, written or read."""


class ViewLockedError(ViewError):
    """Another process maintains this view; read its snapshot instead."""


class ViewLostError(ViewError):
    """What the view was kept in is gone; it must be built again from the catalog."""


class ViewOvertakenError(ViewError):
    """A shared view is not as this process left it: another one writes it, or its server came back without the last."""


class LogPrunedError(RetrievalError):
    """Operations that a view asks for are no longer kept; it is built again from the catalog."""


class NotYetSearchableError(RetrievalError):
    """A search waited for a `seq` that the views did not reach in time."""


class OutageError(RetrievalError):
    """A server or disk we depend on does not answer; the data are fine, the caller should retry."""

"""What the search core raises.

SearchCoreError (a RetrievalError)
├── SpaceError          a search space contradicts itself, or its file cannot be read; an InvalidInputError too
├── ArchitectureError   choices that a search space does not allow; an InvalidInputError too
├── PolicyError         a policy cannot start or go on: a strange trial, an extra that is not installed
├── CorpusError         a collection that cannot be tuned: empty, or not embedded
├── SupervisionError    judged questions that are too few, empty or contradictory
├── BudgetError         a budget that is not a time, or too short to do anything in
├── RunningError        another run works on the same experiment; a ConflictError too
├── TrainingError       training went astray: numbers that are none, or no memory
└── ArtifactError       an artifact folder that is incomplete, altered, or made for another encoder
"""

from __future__ import annotations

import errno

from retrieval.errors import ConflictError, InvalidInputError, RetrievalError


class SearchCoreError(RetrievalError):
    """Base of everything the search core raises on purpose."""


class SpaceError(SearchCoreError, InvalidInputError):
    """A search space contradicts itself or its file cannot be read; the message names the decision."""


class ArchitectureError(SearchCoreError, InvalidInputError):
    """Choices that the search space does not allow; the message names the decision."""


class PolicyError(SearchCoreError):
    """A policy cannot start or go on."""


class CorpusError(SearchCoreError):
    """A collection cannot be tuned as it is."""


class SupervisionError(SearchCoreError):
    """The judged questions do not suffice, or contradict each other."""


class BudgetError(SearchCoreError):
    """A budget is not a time, or too short to do anything in."""


class TrainingError(SearchCoreError):
    """Training went astray; nothing of it is kept."""


class ArtifactError(SearchCoreError):
    """An artifact folder is incomplete, altered, or made for another encoder."""


class RunningError(SearchCoreError, ConflictError):
    """Another run works on the same experiment."""


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)


def not_written(what: str, error: OSError) -> ArtifactError:
    """That the disk did not take it, why, and what helps: space does not where nothing may be written."""
    helps = "make it writable for this user" if error.errno in _NOT_ALLOWED else "check that place"
    if error.errno in _NO_SPACE or error.errno is None:  # safetensors tells of a full disk without a number
        helps = "free some space"
    return ArtifactError(f"{what} cannot be written: {error.strerror or error}; {helps}")

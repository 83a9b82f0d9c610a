"""What the search core raises.

SearchCoreError (a RetrievalError)
├── SpaceError          a search space or an architecture that does not fit its rules
├── CorpusError         a collection that cannot be tuned: empty, or not embedded
├── SupervisionError    judged questions that are too few, empty or contradictory
├── BudgetError         a budget that is not a time, or too short to do anything in
├── TrainingError       training went astray: numbers that are none, or no memory
└── ArtifactError       an artifact folder that is incomplete, altered, or made for another encoder
"""

from __future__ import annotations

from retrieval.errors import RetrievalError


class SearchCoreError(RetrievalError):
    """Base of everything the search core raises on purpose."""


class SpaceError(SearchCoreError):
    """A search space or an architecture does not fit its rules."""


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

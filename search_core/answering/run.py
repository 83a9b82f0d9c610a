"""What a run of the answer task stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.experiments import ExperimentRecord
from retrieval.contracts import Encoder
from search_core.artifact.artifacts import RUNS
from search_core.clock import Clock
from search_core.request import Request
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import stored_space
from search_core.task import TaskSpec


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """Read once at the start; nothing of it changes while the run goes on."""

    request: Request
    spec: TaskSpec
    settings: Settings
    catalog: Catalog
    collection: Collection
    record: ExperimentRecord
    encoder: Encoder
    clock: Clock
    wanted: Callable[[], None] = lambda: None  # raises where the run is to end

    @property
    def space(self) -> SearchSpace:
        """In which what serves is told as an architecture."""
        return stored_space(self.request.search_space, self.request.space_text)

    @property
    def folder(self) -> Path:
        """Where the log and the artifact are."""
        return self.settings.data_dir / RUNS / self.record.id

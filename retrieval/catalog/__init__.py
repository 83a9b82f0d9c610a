"""The catalog: the only truth. Everything else in the data folder can be dropped and rebuilt from it."""

from __future__ import annotations

from retrieval.catalog.arrivals import Arrivals
from retrieval.catalog.collections import Collection, Collections, CollectionSettings
from retrieval.catalog.documents import Documents
from retrieval.catalog.embeddings import Embeddings
from retrieval.catalog.engine import migrate, open_engine, sqlite_url
from retrieval.catalog.eval_runs import EvalRuns
from retrieval.catalog.eval_sets import EvalSets
from retrieval.catalog.experiments import Experiments
from retrieval.catalog.generations import Generations
from retrieval.catalog.integrity import Integrity
from retrieval.catalog.jobs import Jobs
from retrieval.catalog.journal import Audit, Feedback
from retrieval.catalog.keys import Keys
from retrieval.catalog.leases import Leases
from retrieval.catalog.log import OperationLog
from retrieval.catalog.notices import Notices
from retrieval.catalog.offsets import Offsets
from retrieval.catalog.places import Places
from retrieval.catalog.plans import Plans
from retrieval.catalog.positions import Positions
from retrieval.catalog.pruning import Pruning
from retrieval.catalog.recutting import Recutting
from retrieval.catalog.references import References
from retrieval.catalog.rollouts import Rollouts
from retrieval.catalog.schedules import Schedules
from retrieval.catalog.source_runs import SourceRuns
from retrieval.catalog.source_tables import SourceTables
from retrieval.catalog.sources import Sources
from retrieval.catalog.versions import KEPT_VERSIONS, Versions
from retrieval.catalog.writer import AccessChange, Commit, DeadLetter, Outcome, Receipt, Upsert, Writer

__all__ = [
    "AccessChange",
    "Catalog",
    "Collection",
    "CollectionSettings",
    "Commit",
    "DeadLetter",
    "Outcome",
    "Receipt",
    "Upsert",
    "sqlite_url",
]


class Catalog:
    """One catalog, opened and migrated; each attribute is one kind of thing it keeps.

    Of each document it keeps the newest `kept_versions` former ones.
    Raises `InvalidInputError` for a URL that is neither SQLite nor PostgreSQL, `OutageError` when it cannot be opened.
    """

    def __init__(self, url: str, kept_versions: int = KEPT_VERSIONS) -> None:
        self._engine = open_engine(url)
        migrate(self._engine)
        self.collections = Collections(self._engine)
        self.generations = Generations(self._engine)
        self.recutting = Recutting(self._engine)
        self.references = References(self._engine)
        self.pruning = Pruning(self._engine)
        self.documents = Documents(self._engine)
        self.places = Places(self._engine)
        self.integrity = Integrity(self._engine)
        self.versions = Versions(self._engine)
        self.writer = Writer(self._engine, kept_versions)
        self.embeddings = Embeddings(self._engine)
        self.log = OperationLog(self._engine)
        self.arrivals = Arrivals(self._engine)
        self.sources = Sources(self._engine)
        self.source_tables = SourceTables(self._engine)
        self.source_runs = SourceRuns(self._engine)
        self.offsets = Offsets(self._engine)
        self.leases = Leases(self._engine)
        self.positions = Positions(self._engine)
        self.notices = Notices(self._engine)
        self.plans = Plans(self._engine)
        self.rollouts = Rollouts(self._engine)
        self.jobs = Jobs(self._engine)
        self.schedules = Schedules(self._engine)
        self.keys = Keys(self._engine)
        self.audit = Audit(self._engine)
        self.feedback = Feedback(self._engine)
        self.eval_sets = EvalSets(self._engine)
        self.eval_runs = EvalRuns(self._engine)
        self.experiments = Experiments(self._engine)

    def close(self) -> None:
        """Release the database's connections."""
        self.notices.close()
        self._engine.dispose()

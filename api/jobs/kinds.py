"""Every kind of job there is."""

from __future__ import annotations

from api.generations.reindex import check_reindex, reindex
from api.jobs import evaluating, upkeep
from api.jobs.retention import retention
from api.jobs.tasks import Task
from api.jobs.uploads import upload
from api.wire import jobs as wire
from infra.registry import Registry
from retrieval.catalog.keys import Scope

VERIFY = Task(upkeep.verify, wire.VerifyArguments, needs_collection=False)
COMPACTION = Task(upkeep.compaction, wire.CompactionArguments, needs_collection=False)
SNAPSHOT = Task(upkeep.snapshot, wire.NoArguments, needs_collection=False)
REINDEX = Task(reindex, wire.ReindexArguments, dated=True, fits=check_reindex)
RETENTION = Task(retention, wire.RetentionArguments, needs_collection=False, takes_collection=False, shared=True)
UPLOAD = Task(upload, wire.UploadArguments, Scope.WRITE)
EVALUATE = Task(
    evaluating.evaluate,
    wire.EvaluateArguments,
    Scope.WRITE,
    as_caller=True,
    dated=True,
    fits=evaluating.check_evaluate,
)


def _source_snapshot() -> Task:
    # Kafka Connect and the databases' drivers take a while to load
    from api.jobs.sources import check_source_snapshot, source_snapshot

    return Task(source_snapshot, wire.SourceSnapshotArguments, fits=check_source_snapshot)


def _tune() -> Task:
    from api.jobs.tuning import check_tune, tune  # the search core is of no use to a process that only serves
    from api.wire.experiments import TuneArguments

    return Task(tune, TuneArguments, fits=check_tune)


def _train_reader() -> Task:
    from api.jobs.reader_training import train_reader  # as above

    return Task(train_reader, wire.TrainReaderArguments, needs_collection=False, shared=True)  # any plan may name it


TASKS: Registry[Task] = Registry("task")
TASKS.register("verify", lambda: VERIFY, "compares the views with the catalog, and mends them when asked")
TASKS.register("compaction", lambda: COMPACTION, "frees what catalog and views no longer need")
TASKS.register("snapshot", lambda: SNAPSHOT, "makes the views durable for a quick start")
TASKS.register("reindex", lambda: REINDEX, "builds another generation beside the serving one and switches")
TASKS.register("retention", lambda: RETENTION, "deletes old jobs, dead keys and, when asked, audit records")
TASKS.register("evaluate", lambda: EVALUATE, "runs an evaluation set")
TASKS.register("upload", lambda: UPLOAD, "stores uploaded files as documents")
TASKS.register("tune", _tune, "searches for a better plan, proves it, lets it serve")
TASKS.register("train_reader", _train_reader, "trains a model that answers with words of a passage")
TASKS.register("source_snapshot", _source_snapshot, "has a database read again, live or as a whole")


def kinds() -> list[str]:
    """The names of all kinds that this process can run."""
    return [entry.name for entry in TASKS]

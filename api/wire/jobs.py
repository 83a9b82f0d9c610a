"""Jobs, schedules and what each kind of job may be told, over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.wire.base import (
    MAX_CHUNK_TOKENS,
    MIN_CHUNK_TOKENS,
    WORDS_THAT_AGREE,
    CollectionName,
    Json,
    Key,
    Line,
    Moment,
    Request,
    Response,
)

MAX_EVERY_SECONDS = 366 * 86_400  # a year
ScheduleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Name of the schedule.")]
Kind = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Kind of job, as `kb modules` lists.")]
Days = Annotated[int, Field(ge=1, le=36_500)]
AnyCollection = CollectionName | Annotated[str, Field(max_length=0)]


class NoArguments(Request):
    """A job that needs to be told nothing."""


class VerifyArguments(Request):
    """What a verification does besides looking."""

    repair: bool = Field(False, description="Mend what differs, from the catalog.")


class ReindexArguments(Request):
    """What the new generation of a collection is made by; null: as the serving one."""

    encoder: Line = Field("", description="Name of the encoder; empty: the settings' encoder.")
    chunk_tokens: int | None = Field(
        None, ge=MIN_CHUNK_TOKENS, le=MAX_CHUNK_TOKENS, description="Longest passage, in tokens."
    )
    dictionary: list[Line] | None = Field(None, description="Words that are kept whole.")
    synonyms: list[list[Line]] | None = Field(None, description=WORDS_THAT_AGREE)
    eval_set: Key | Literal[""] = Field("", description="Evaluation set; empty: the only judged one, if there is one.")
    activate: bool = Field(True, description="Let it serve when it passes.")
    force: bool = Field(False, description="Also when it is worse on the evaluation set.")
    apart: bool = Field(True, description="Build in a process of its own, which steps back for searches.")


class TrainReaderArguments(Request):
    """How a span reader is trained, from the questions of KB_READER_QUESTIONS."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="What to call the reader.")]
    base: Line = Field("", description="Encoder to begin from; empty: the settings' encoder.")
    epochs: int = Field(4, ge=1, le=100, description="Passes over the questions.")
    practice: int | None = Field(None, ge=0, le=10**6, description="Questions made from the collection's text.")
    runs: int = Field(1, ge=1, le=10, description="Runs whose weights are averaged.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Equal seeds give equal examples.")
    threads: int = Field(1, ge=1, le=256, description="Threads to train with.")
    device: Line = Field("cpu", description="Where to train, as PyTorch names it.")


class CompactionArguments(Request):
    """What else nobody needs any more, in days; null keeps it for ever."""

    operations_days: Days | None = Field(7, description="Operations; a replica away for longer builds its views anew.")
    versions_days: Days | None = Field(30, description="Former versions of documents, and deleted ones.")
    standby_days: Days | None = Field(None, description="The former generation, after another took over.")


class EvaluateArguments(Request):
    """What is evaluated."""

    eval_set: Key = Field(description="Name of the evaluation set.")
    plan: Json | None = Field(None, description="The plan as an object; null: the one that serves.")


class RetentionArguments(Request):
    """How long what is done with is kept, in days; null keeps it for ever."""

    jobs_days: Days | None = Field(30, description="Jobs that ended, and the files they kept.")
    keys_days: Days | None = Field(90, description="API keys after they expired or were revoked.")
    audit_days: Days | None = Field(None, description="Records of the audit log.")
    eval_runs_days: Days | None = Field(365, description="Runs of evaluation sets, the newest of each excepted.")


class SourceSnapshotArguments(Request):
    """What of a database is read again."""

    source: Key = Field(description="Name of the source.")
    tables: list[Key] | None = Field(None, description="Of a live one: tables as `schema.table`; null: all.")
    allow_mass_deletion: bool = Field(
        False, description="Of one that is not live: delete documents even where most of their rows are gone."
    )


class UploadArguments(Request):
    """Which upload is stored."""

    upload: str = Field(pattern=r"^[0-9a-f]{32}$", description="Id that the upload was given.")


class JobBody(Request):
    """A job to be run."""

    kind: Kind
    collection: AnyCollection = Field("", description="Name of the collection; empty: all, for kinds that can.")
    arguments: Json = Field(default_factory=dict, description="What that kind of job may be told.")


class JobView(Response):
    """Long work."""

    id: str
    kind: str
    collection: str = Field(description="Empty: all collections.")
    arguments: dict[str, Any]
    state: str = Field(description="queued, running, succeeded, failed or cancelled.")
    done: int
    total: int | None
    result: dict[str, Any] | None = Field(description="What came of it; null for callers who did not ask for it.")
    error: str = Field(description="Why it failed; only that it did for callers who did not ask for it.")
    error_code: str = Field(description="Stable code of the error, as those of refused requests; empty: none.")
    attempts: int = Field(description="How often it was started.")
    schedule: str = Field(description="Name of the schedule that asked for it; empty: none.")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class JobPage(Response):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next_cursor: str | None


class ScheduleBody(Request):
    """A schedule to be made."""

    name: ScheduleName
    kind: Kind
    collection: AnyCollection = Field("", description="Name of the collection; empty: all, for kinds that can.")
    arguments: Json = Field(default_factory=dict, description="What that kind of job may be told.")
    every_seconds: int = Field(ge=1, le=MAX_EVERY_SECONDS, description="Seconds from one time to the next.")
    enabled: bool = True
    first_at: Moment | None = Field(None, description="The first time, with zone; null: one interval from now.")


class ScheduleChange(Request):
    """What changes in a schedule; what is left out stays."""

    arguments: Json | None = None
    every_seconds: int | None = Field(None, ge=1, le=MAX_EVERY_SECONDS)
    enabled: bool | None = None
    next_at: Moment | None = Field(None, description="The next time, with zone.")


class ScheduleView(Response):
    """Work done again and again."""

    name: str
    kind: str
    collection: str = Field(description="Empty: all collections.")
    arguments: dict[str, Any]
    every_seconds: int
    enabled: bool
    next_at: datetime
    last_job: str = Field(description="Id of the newest job it asked for; empty: none yet.")
    created_at: datetime


class SchedulePage(Response):
    """A page of schedules, by name."""

    schedules: list[ScheduleView]
    next_cursor: str | None

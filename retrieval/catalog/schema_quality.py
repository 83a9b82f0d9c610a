"""The tables of how a collection searches: plans and their rollouts, judgements, experiments."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog.schema_base import METADATA, UtcTime, collection_key

plans = sa.Table(
    "plans",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

plan_switches = sa.Table(
    "plan_switches",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("plan_id", sa.Integer),  # NULL: back to the default
    sa.Column("previous_id", sa.Integer),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

rollouts = sa.Table(  # a plan on its way: shown to nobody, to some, to all
    "rollouts",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("plan_id", sa.Integer),  # the candidate; NULL: the built-in default
    sa.Column("previous_id", sa.Integer),  # what served when it began
    sa.Column("stage", sa.Text, nullable=False),  # shadow, canary; ended: full, stopped, rolled_back, superseded
    sa.Column("share", sa.Float, nullable=False),  # of the searches that it takes part in
    sa.Column("options", sa.JSON, nullable=False),  # unit, advance_after
    sa.Column("reference", sa.JSON(none_as_null=True)),  # milliseconds that latencies are counted above
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),  # of the last change
    sa.Column("began_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Index("ix_rollouts_collection_id", "collection_id"),
    sqlite_autoincrement=True,  # its number is hashed with callers, so that others go first each time
)

rollout_counts = sa.Table(  # sums over all processes
    "rollout_counts",
    METADATA,
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("arm", sa.Text, primary_key=True),  # serving, candidate, pair
    sa.Column("measure", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)

feedback = sa.Table(
    "feedback",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("document_key", sa.Text),
    sa.Column("rating", sa.Integer, nullable=False),  # 1 helpful, -1 not
    sa.Column("comment", sa.Text, nullable=False),
)

eval_sets = sa.Table(
    "eval_sets",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("collection_id", "name"),
)

eval_queries = sa.Table(
    "eval_queries",
    METADATA,
    sa.Column("eval_set_id", sa.ForeignKey("eval_sets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("query_id", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("judgements", sa.JSON, nullable=False),  # document key -> grade
    sa.Column("answers", sa.JSON(none_as_null=True)),  # right ones; []: there is none; NULL: not known
)

eval_runs = sa.Table(  # append-only
    "eval_runs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("eval_set_id", sa.ForeignKey("eval_sets.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", UtcTime, nullable=False),  # when it ended
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("rights", sa.Text, nullable=False),  # equal where the runs saw the same documents
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # of the plan
    sa.Column("fingerprint", sa.Text, nullable=False),  # of the encoder
    sa.Column("seq", sa.BigInteger, nullable=False),  # the collection's last operation when it began
    sa.Column("summary", sa.JSON, nullable=False),  # means, intervals, slices, latency
    sa.Column("questions", sa.JSON, nullable=False),  # a row for each: its metrics, where its documents stood
    sa.Index("ix_eval_runs_eval_set_id", "eval_set_id"),
    sqlite_autoincrement=True,  # a number is never another run's
)

experiments = sa.Table(
    "experiments",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    collection_key(),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Index("ix_experiments_collection_id", "collection_id"),
)

trials = sa.Table(  # append-only
    "trials",
    METADATA,
    sa.Column("experiment_id", sa.ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
)

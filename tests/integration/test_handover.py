"""A transaction that is open while a snapshot is taken: the snapshot does not see it, and its event wins over it."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg
import pytest
from golden.messages import events_of
from golden.record import configuration, connectors, consumers, database, envelopes, receive
from stack import StackOf
from waiting import eventually

from ingest.changes import RowChange
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.table_mapping import parse_mapping
from retrieval.types import Document

pytestmark = [pytest.mark.server, pytest.mark.slow]

MAPPING = parse_mapping({"tables": {"public.notes": {"title": "title", "body": "title"}}})


def test_a_transaction_open_during_the_snapshot_is_not_lost(stack_of: StackOf) -> None:
    stack = stack_of("postgres", "kafka", "connect")
    name = f"handover_{secrets.token_hex(4)}"
    url = stack.url("postgres").rpartition("/")[0] + f"/{name}"
    messages: dict[str, list[dict[str, Any]]] = {"ours": []}
    with database(stack, "postgres", name) as execute:
        execute("CREATE TABLE signals (id text PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, title text)")
        execute("INSERT INTO notes VALUES (1, 'old')")
        settings = {"ours": configuration(stack, "postgres", name, "ours", name)}
        with psycopg.connect(url) as first, psycopg.connect(url) as second, psycopg.connect(url) as long:
            open_first = number_of(first)  # a slot waits twice for the transactions that are open
            with connectors(stack, settings), consumers(stack, {"ours": name}) as opened:
                waits_for(execute, open_first)
                open_second = number_of(second)
                first.commit()
                waits_for(execute, open_second)
                long.execute("UPDATE notes SET title = 'new' WHERE id = 1")  # it does not wait for this one
                second.commit()
                receive(opened, messages, lambda got: any(one.get("op") == "r" for one in envelopes(got)))
                long.commit()
                receive(opened, messages, lambda got: any(one.get("op") == "u" for one in envelopes(got)))
    read, update = (event for event in events_of(messages["ours"], {}) if isinstance(event, RowChange))
    sent = [envelope["source"]["lsn"] for envelope in envelopes(messages["ours"])]
    assert sent[1] < sent[0], "the update stands earlier in the log than the snapshot that did not see it"
    mapper = RowMapper(MAPPING, MemoryRows())
    (document,) = mapper.apply([read, update])
    assert isinstance(document, Document) and document.title == "new"
    assert mapper.apply([read]) == (), "sent again"


def number_of(transaction: psycopg.Connection[Any]) -> str:
    """The number that the transaction has from now on."""
    row = transaction.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None
    return str(row[0])


def waits_for(execute: Any, transaction: str) -> None:
    """Until a connector that makes its slot waits for the end of that transaction."""
    query = f"""SELECT count(*) FROM pg_locks JOIN pg_replication_slots AS slot ON pid = active_pid
        WHERE slot.database = current_database() AND NOT granted AND transactionid::text = '{transaction}'"""
    eventually(lambda: execute(query)[0][0], what=f"a slot that waits for transaction {transaction}")

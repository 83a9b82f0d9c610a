"""A transaction that is open while a snapshot is taken: the snapshot does not see it, and its event wins over it."""

from __future__ import annotations

import secrets
import time
from typing import Any

import psycopg
import pytest
from golden.messages import events_of
from golden.record import configuration, connectors, consumers, database, envelopes, receive
from stack import StackOf

from ingest.changes import RowChange
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.table_mapping import parse_mapping
from retrieval.types import Document

pytestmark = [pytest.mark.server, pytest.mark.slow]

MAPPING = parse_mapping({"tables": {"public.notes": {"title": "title", "body": "title"}}})
WAIT_SECONDS = 60.0


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
            first.execute("SELECT pg_current_xact_id()")  # a slot waits twice for the transactions that are open
            with connectors(stack, settings), consumers(stack, {"ours": name}) as opened:
                waits_for(execute, 1)
                second.execute("SELECT pg_current_xact_id()")
                first.commit()
                time.sleep(2)  # the slot now waits for the second
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


def waits_for(execute: Any, slots: int) -> None:
    """Until a connector is making its slot."""
    deadline = time.monotonic() + WAIT_SECONDS
    query = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
    while execute(query)[0][0] < slots:
        assert time.monotonic() < deadline, "the connector did not begin to make its slot"
        time.sleep(0.1)

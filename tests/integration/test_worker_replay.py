"""Dead letters of a live source through REST: shown, replayed and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from change_events import event
from fastapi.testclient import TestClient
from stack import StackOf
from worker_world import World, world

from api.app import create_app
from ingest.kafka.message import Message, dead_letter
from ingest.kafka.replay import fetch_message
from retrieval.catalog import Commit
from retrieval.catalog.keys import Scope

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def shop(tmp_path: Path, stack_of: StackOf) -> Iterator[World]:
    with world(tmp_path / "data", stack_of("kafka").url("kafka")) as opened:
        yield opened


@pytest.fixture
def client(shop: World) -> Iterator[TestClient]:
    _, key = shop.kb.catalog.keys.create("operator", Scope.ADMIN)
    with TestClient(create_app(shop.kb, shop.kb.settings), headers={"Authorization": f"Bearer {key}"}) as opened:
        yield opened


def bury(shop: World, key: int, lsn: int) -> None:
    """A letter whose message is sound, as one would be that an older version could not take."""
    row = {"id": key, "title": "Kept", "body": "kept aside", "status": "a"}
    one = event("public.faqs", "c", key, row, lsn)
    message = Message(shop.topic, 0, lsn, *one.message)
    letter = dead_letter(shop.source.name, message, ValueError("not understood then"))
    shop.kb.catalog.writer.commit(shop.collection.id, Commit(dead_letters=[letter]))


def test_a_replayed_letter_is_applied_and_settled(shop: World, client: TestClient) -> None:
    bury(shop, 1, 100)
    (shown,) = client.get("/v1/dead-letters", params={"collection": "shop"}).json()["dead_letters"]
    assert (shown["topic"], shown["partition"], shown["offset"]) == (shop.topic, 0, 100)
    assert orjson.loads(shown["message_key"]) == {"id": 1}
    done = client.post(f"/v1/dead-letters/{shown['id']}/replay", params={"collection": "shop"})
    assert done.json() == {"replayed": 1, "failed": 0, "failures": [], "next_cursor": None}
    assert shop.documents == {"public.faqs/1": ("Kept\nkept aside", "a")}
    assert client.get("/v1/dead-letters", params={"collection": "shop"}).json()["dead_letters"] == []


def test_a_replay_does_not_go_back_in_time(shop: World, client: TestClient) -> None:
    newer = {"id": 1, "title": "Newer", "body": "text", "status": "b"}
    shop.send([event("public.faqs", "u", 1, newer, 500)])
    shop.drain()
    bury(shop, 1, 100)
    done = client.post("/v1/dead-letters/replay", params={"collection": "shop", "source": "faqs"})
    assert done.json()["replayed"] == 1
    assert shop.documents == {"public.faqs/1": ("Newer\ntext", "b")}


def test_what_fails_again_stays_with_the_reason_of_today(shop: World, client: TestClient) -> None:
    shop.send_raw(b'{"id": 1}', b"not json")
    shop.drain()
    done = client.post("/v1/dead-letters/replay", params={"collection": "shop"})
    told = done.json()
    (failure,) = told.pop("failures")
    assert told == {"replayed": 0, "failed": 1, "next_cursor": None}
    (letter,) = shop.kb.catalog.sources.dead_letters(shop.collection)
    assert letter.reason.startswith("the value is not JSON")
    assert failure["reason"] == letter.reason
    assert client.delete("/v1/dead-letters", params={"collection": "shop", "source": "other"}).json() == {"dropped": 0}
    assert client.delete("/v1/dead-letters", params={"collection": "shop"}).json() == {"dropped": 1}
    actions = [record.action for record in shop.kb.catalog.audit.page()]
    assert any("dead-letters" in action for action in actions)


def test_a_payload_that_was_cut_is_read_from_kafka_again(shop: World, client: TestClient) -> None:
    long = {"id": 1, "title": "Long", "body": "word " * 20_000, "status": "a"}
    key, value = event("public.faqs", "c", 1, long, 100).message
    headers = (("__debezium.oldkey", b'{"id": 9}'),)
    shop.send_raw(key, value, headers=headers)
    message = Message(shop.topic, 0, 0, key, value, headers)
    assert fetch_message(shop.servers, shop.topic, 0, 0) == message
    letter = dead_letter(shop.source.name, message, ValueError("then"))
    shop.kb.catalog.writer.commit(shop.collection.id, Commit(dead_letters=[letter]))
    (shown,) = client.get("/v1/dead-letters", params={"collection": "shop"}).json()["dead_letters"]
    assert shown["headers"] == [{"name": "__debezium.oldkey", "value": '{"id": 9}'}]
    done = client.post("/v1/dead-letters/replay", params={"collection": "shop"})
    assert done.json()["replayed"] == 1
    assert shop.documents.keys() == {"public.faqs/1"}

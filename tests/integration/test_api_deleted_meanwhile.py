"""What happens meanwhile: a collection is deleted, or made anew, the server ends; and keys that nobody could read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import World, check_native_error, world
from starlette.requests import Request
from starlette.types import Message
from waiting import PATIENCE_SECONDS, job_ended

from api.knowledge_base import KnowledgeBase
from retrieval.errors import NotFoundError
from retrieval.types import Document

UPLOAD = "/v1/collections/docs/documents:upload"
LONG = f"{'n' * 700}.txt"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as opened:
        yield opened


async def never() -> Message:
    """What comes of a client that waits."""
    await asyncio.Event().wait()
    raise AssertionError


def test_nobody_waits_for_a_namesake(served: World) -> None:
    kb = served.kb
    kb.create_collection("short-lived")
    receipt = kb.write("short-lived", [Document("a", "one")])
    kb.drop_collection("short-lived")
    kb.create_collection("short-lived")
    asking = Request({"type": "http"}, never)

    def wait() -> None:
        seq, collection_id = receipt.seq, receipt.collection_id
        asyncio.run(
            served.app.state.services.waits.until_searchable(
                asking, "short-lived", seq, PATIENCE_SECONDS, collection_id
            )
        )

    began = time.monotonic()
    with pytest.raises(NotFoundError, match="made anew"):
        wait()
    assert time.monotonic() - began < PATIENCE_SECONDS
    kb.write("short-lived", [Document(key, "one") for key in "abc"])
    with pytest.raises(NotFoundError, match="made anew"):
        wait()


def test_the_overview_leaves_out_what_is_deleted_meanwhile(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = KnowledgeBase.runtime

    def deleted(kb: KnowledgeBase, name: str) -> object:
        if name == "docs":
            raise NotFoundError("collection 'docs' does not exist")
        return ask(kb, name)

    assert served.search("warranty").status_code == 200  # opens it
    monkeypatch.setattr(KnowledgeBase, "runtime", deleted)
    assert served.kb.troubles() == {}
    names = [one.name for one in served.app.state.services.overview._look().collections]
    assert names == ["other"]


def test_uploads_make_no_key_that_no_route_can_read(served: World) -> None:
    files = [("files", (name, b"Words of a file.", "text/plain")) for name in ("a.txt", LONG)]
    partly = served.call("POST", UPLOAD, files=files, data={"prefix": "p" * 400})
    assert partly.status_code == 207
    assert [one.get("outcome") for one in partly.json()["files"]] == ["created", None]
    assert "at most 1000 characters" in partly.json()["files"][1]["error"]
    check_native_error(served.call("POST", UPLOAD, files=files[1:], data={"prefix": "p" * 400}), 422)
    check_native_error(served.call("POST", UPLOAD, files=files[:1], data={"prefix": "a\x00b"}), 422)


def test_background_uploads_make_none_either(served: World) -> None:
    files = [("files", (LONG, b"Words of a file.", "text/plain"))]
    path = served.call("POST", f"{UPLOAD}?background=true", files=files, data={"prefix": "p" * 400}).headers["location"]
    job = job_ended(lambda: served.call("GET", path).json())
    assert "at most 1000 characters" in job["result"]["files"][0]["error"]


def test_who_follows_a_job_does_not_hold_up_the_end(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.jobs.STREAM_SECONDS", 20.0)
    job = served.kb.catalog.jobs.create("a kind that nobody runs", "", {})
    served.app.state.services.overview.is_ending = lambda: True
    began = time.monotonic()
    assert "event: job" in served.call("GET", f"/v1/jobs/{job.id}/events").text
    assert time.monotonic() - began < 15

"""`kb serve` on a disk that fills up or cannot be written to: writes are refused, searches go on, nothing is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import small_disk
from kb_processes import Kb, Server
from served import in_process
from waiting import eventually

from api.jobs.attempt import Attempt
from api.jobs.identity import this_process
from api.jobs.kinds import kinds
from api.jobs.uploads import About, keep, upload
from api.upkeep.maintenance import verify_collection
from retrieval.catalog.keys import Scope

pytestmark = pytest.mark.slow

SIZE = "40m"
ROOM = 300_000  # bytes that are left when the writes begin
LONG = 1_000  # words of a document that the log of SQLite has no room for by chance
LARGE = 2_000_000  # bytes of a file that a server puts aside while it arrives
DOCUMENTS = "/v1/collections/c/documents"

Send = Callable[[dict[str, str]], httpx.Response]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder, with a disk of its own."""
    with small_disk.mounted(tmp_path / "kb", SIZE) as mounted:
        yield mounted


class Client:
    """Writes documents over an `httpx.Client` or a `TestClient`, and remembers those that were acknowledged."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.acknowledged: dict[str, str] = {}

    def write(self, send: Send, documents: dict[str, str]) -> httpx.Response:
        answer = send(documents)
        if answer.is_success:
            self.acknowledged |= documents
        return answer

    def put(self, documents: dict[str, str], wait_for: str = "searchable") -> httpx.Response:
        [(key, text)] = documents.items()
        answer: httpx.Response = self.client.put(f"{DOCUMENTS}/{key}?wait_for={wait_for}", json={"text": text})
        return answer

    def put_and_go_on(self, documents: dict[str, str]) -> httpx.Response:
        return self.put(documents, "committed")

    def bulk(self, documents: dict[str, str]) -> httpx.Response:
        lines = [json.dumps({"id": key, "text": text}) for key, text in documents.items()]
        answer: httpx.Response = self.client.post(f"{DOCUMENTS}:bulk?wait_for=searchable", content="\n".join(lines))
        return answer

    def upload(self, documents: dict[str, str], asked: str = "wait_for=searchable") -> httpx.Response:
        files = [("files", (key, text.encode(), "text/plain")) for key, text in documents.items()]
        answer: httpx.Response = self.client.post(f"{DOCUMENTS}:upload?{asked}", files=files)
        return answer

    def finds(self, words: str) -> list[str]:
        answer = self.client.post("/v1/search", json={"collection": "c", "query": words})
        assert answer.status_code == 200, answer.text
        return [hit["key"] for hit in answer.json()["hits"]]

    def status(self, path: str) -> int:
        return int(self.client.get(path).status_code)


def texts(prefix: str, count: int, words: int = 150) -> dict[str, str]:
    return {f"{prefix}{n}.txt": " ".join(f"{prefix}{n}w{word}" for word in range(words)) for n in range(count)}


BEFORE = texts("before", 20, 40)


def assert_refused(answer: Any, told: str) -> None:
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "outage" and told in error["message"], error
    assert "KB_CATALOG_URL" not in error["message"], "the address of the catalog is not what is wrong"
    assert int(answer.headers["Retry-After"]) >= 1


def until_refused(c: Client, send: Send, prefix: str, count: int, filler: Path) -> httpx.Response:
    """The first answer that is no success: until then SQLite finds room in what its log no longer needs."""
    for turn in range(50):
        small_disk.fill_more(filler)
        answer = c.write(send, texts(f"{prefix}-{turn}-", count, LONG))
        if not answer.is_success:
            return answer
    pytest.fail("the disk never refuses")


def test_a_disk_that_fills_up_while_documents_are_written(tmp_path: Path, disk: Path) -> None:
    server = Server(tmp_path, TMPDIR=str(disk))
    try:
        with server.client(server.key) as client:
            client.post("/v1/collections", json={"name": "c"}).raise_for_status()
            c = Client(client)
            assert c.write(c.bulk, BEFORE).is_success
            filler = small_disk.fill(disk, ROOM)
            while (answer := c.write(c.put_and_go_on, texts(f"p{len(c.acknowledged)}", 1, LONG))).is_success:
                pass
            assert_refused(answer, "free space")
            assert_refused(until_refused(c, c.put, "put", 1, filler), "free space")
            assert_refused(until_refused(c, c.bulk, "bulk", 20, filler), "free space")
            assert_refused(until_refused(c, c.upload, "file", 3, filler), "free space")
            assert_refused(c.upload(texts("later", 3), "background=true"), "free")
            assert_refused(c.upload({"large.txt": "x" * LARGE}), "free space")
            assert c.finds(BEFORE["before7.txt"])[0] == "before7.txt"
            assert (c.status("/readyz"), c.status("/healthz")) == (200, 200), "it serves searches"
            filler.unlink()
            for send, documents in (
                (c.put, texts("put", 1)),
                (c.bulk, texts("bulk", 20)),
                (c.upload, texts("file", 3)),
            ):
                assert c.write(send, documents).status_code == 200
            assert c.finds(texts("put", 1, 40)["put0.txt"])[0] == "put0.txt"
            for key, text in c.acknowledged.items():
                assert client.get(f"{DOCUMENTS}/{key}").json()["text"] == text
    finally:
        assert server.kill(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()
    with in_process(disk) as served:
        verdict = verify_collection(served.kb, "c")
    assert (verdict.in_step, verdict.documents) == (True, len(c.acknowledged))


def test_a_server_on_a_read_only_disk_says_so_until_it_can_be_written_to(
    tmp_path: Path, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(tmp_path)
    with server.client(server.key) as client:
        client.post("/v1/collections", json={"name": "c"}).raise_for_status()
        assert Client(client).bulk(BEFORE).is_success
    server.kill()  # so that SQLite's files beside the catalog are there: without them it would not even open
    small_disk.remount(disk, "ro")
    with in_process(disk) as served:
        served.client.headers = {"Authorization": f"Bearer {server.key}"}
        c = Client(served.client)
        assert (c.status("/readyz"), c.status("/healthz")) == (503, 200)
        assert_refused(c.put(texts("put", 1)), "writable")
        assert_refused(served.client.post("/v1/search", json={"collection": "c", "query": "words"}), "writable")
        assert_refused(served.client.post("/v1/collections", json={"name": "other"}), "writable")
        small_disk.remount(disk, "rw")
        eventually(lambda: c.status("/readyz") == 200, what="it serves, without a restart")
        assert c.finds(BEFORE["before7.txt"])[0] == "before7.txt"
        eventually(lambda: c.put(texts("put", 1)).status_code == 200, what="it takes writes")
    assert "Traceback" not in caplog.text


def test_a_collection_whose_views_have_no_room(tmp_path: Path, disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The catalog has a disk of its own here: the views' disk alone refuses."""
    with in_process(disk, catalog_url=f"sqlite:///{tmp_path / 'catalog.db'}") as served:
        served.client.headers = served.headers(Scope.ADMIN)
        filler = small_disk.fill(disk)
        served.client.post("/v1/collections", json={"name": "c"}).raise_for_status()
        c = Client(served.client)
        assert_refused(c.put(texts("put", 1)), "free space")
        filler.unlink()
        assert c.put(texts("put", 1)).status_code == 200
    assert not [one for one in caplog.messages if "built again" in one], "it is not deleted for want of room"


def test_a_command_says_what_to_do_where_a_catalog_cannot_be_opened_for_want_of_room(
    tmp_path: Path, disk: Path
) -> None:
    with in_process(disk) as served:
        served.kb.ensure_collection("c")
    small_disk.fill(disk)
    kb = Kb(tmp_path)
    refused = kb.run("search", "-c", "c", "words", KB_DATA_DIR=str(disk))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "KB_CATALOG_URL" not in refused.stderr and "disk is full" in " ".join(refused.stderr.split())


def test_kept_uploads_wait_for_room(tmp_path: Path) -> None:
    """The job is not given up, and what it stored before is not stored again."""
    with in_process(tmp_path / "data", jobs="celery", broker_url="redis://127.0.0.1:1/0") as served:
        with small_disk.mounted(served.settings.data_dir / "uploads", "1m") as disk:
            kb, collection = served.kb, served.kb.ensure_collection("c")
            kept = keep(served.settings, collection, [("a.txt", b"one"), ("b.txt", b"two")], About("", {}, None))
            kb.catalog.jobs.create("upload", "c", {"upload": kept})
            job = kb.catalog.jobs.claim(this_process(), kinds())
            assert job is not None
            filler = small_disk.fill(disk)
            assert Attempt(kb, job, lambda: False).run() == "postponed"
            filler.unlink()
            result: dict[str, Any] = upload(kb, "c", {"upload": kept}, lambda *_: None)
        assert [one["outcome"] for one in result["files"]] == ["unchanged", "created"]

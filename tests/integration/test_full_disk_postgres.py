"""The disk of the catalog's PostgreSQL is full: writes say whose disk it is, reads go on, later all is well."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import local_postgres
import pytest
import small_disk
from served import Served, in_process

from api.upkeep.maintenance import verify_collection
from retrieval.catalog.keys import Scope

pytestmark = [pytest.mark.server, pytest.mark.slow]

SIZE = "100m"  # an empty server takes 40
LONG = 20_000  # words of a document that no free page of a table holds


@pytest.fixture
def database() -> Iterator[tuple[Path, str]]:
    """A server's disk and its URL."""
    with contextlib.ExitStack() as stack:
        # Not in pytest's folder, which is closed to the server's user.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kb-disk-")))
        folder.chmod(0o755)
        disk = stack.enter_context(small_disk.mounted(folder / "disk", SIZE, mode="755"))
        try:
            yield disk, stack.enter_context(local_postgres.running(disk))
        except local_postgres.CannotStartError as reason:
            pytest.skip(str(reason))


def put(served: Served, key: str, words: int) -> tuple[int, str]:
    """The status of a write, and what was said of an error."""
    text = " ".join(f"w{random.Random(f'{key} {n}').randrange(10**9)}" for n in range(words))  # is not compressed away
    path = f"/v1/collections/c/documents/{key}?wait_for=searchable"
    answer = served.client.put(path, json={"title": key, "text": text})
    return answer.status_code, "" if answer.is_success else answer.json()["error"]["message"]


def test_writes_name_the_database_server_s_disk_and_reads_go_on(
    tmp_path: Path, database: tuple[Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    disk, url = database
    with in_process(tmp_path / "data", catalog_url=url) as served:
        served.client.headers = served.headers(Scope.ADMIN)
        served.client.post("/v1/collections", json={"name": "c"}).raise_for_status()
        assert put(served, "before", 100) == (200, "")
        filler = small_disk.fill(disk)
        for _ in range(2):
            status, message = put(served, "refused", LONG)
            assert status == 503 and "free space on the disk of the catalog's database server" in message
            assert "\n" not in message and "KB_CATALOG_URL" not in message
        found = served.client.post("/v1/search", json={"collection": "c", "query": "before"}).json()
        assert [hit["key"] for hit in found["hits"]] == ["before"]
        assert served.client.get("/readyz").status_code == 200
        filler.unlink()
        assert put(served, "refused", LONG) == (200, "")
        verdict = verify_collection(served.kb, "c")
        assert verdict.in_step and verdict.documents == 2
    assert "Traceback" not in caplog.text

"""Elasticsearch down, frozen, killed in the middle of a write, or emptied: nothing is lost and searches go on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from served import Served, in_process
from waiting import PATIENCE_SECONDS, eventually

from api.knowledge_base import KnowledgeBase
from api.serving.view_opening import open_server, shared_name
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings, load_settings
from infra.stack.errors import FetchError, MissingProgramError
from infra.stack.stack import Stack
from retrieval.catalog.schema import utc_now
from retrieval.contracts import server_part
from retrieval.elastic.client import SEARCH_TIMEOUT_SECONDS
from retrieval.elastic.index import drop_indexes
from retrieval.errors import NotYetSearchableError, OutageError
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR, Deletion, Document

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(400)]

WORDS_ONLY = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)
MAX_HITS = 1000  # of one search


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of this file's own, so that no other test meets its faults."""
    cache = load_settings().cache_dir
    with tempfile.TemporaryDirectory(prefix="kb-test-faults-") as folder:
        Path(folder).chmod(0o755)  # the servers' user must enter
        own = Stack(Path(folder) / "stack", cache=Path(cache) if cache else None)
        try:
            own.up(["elasticsearch"])
            yield own
        except (MissingProgramError, FetchError) as reason:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))
        finally:
            own.down(["elasticsearch"], politely=False)


@pytest.fixture
def served(stack: Stack, tmp_path: Path) -> Iterator[Served]:
    """The API over a collection whose words are on Elasticsearch, with 20 documents in it."""
    stack.up(["elasticsearch"])
    with in_process(tmp_path, elasticsearch_url=stack.url("elasticsearch"), elasticsearch_prefix="faults") as opened:
        opened.kb.create_collection("docs")
        write(opened.kb, "old", 20)
        opened.kb.wait_searchable("docs", opened.kb.freshness("docs")["last_seq"], PATIENCE_SECONDS)
        yield opened
        stack.up(["elasticsearch"])
        opened.kb.drop_collection("docs")


def write(kb: KnowledgeBase, stem: str, count: int) -> int:
    """Commit documents about pumps; the seq."""
    return kb.write("docs", [Document(f"{stem}{n}", f"pumps of series {stem} number{n}") for n in range(count)]).seq


def search(kb: KnowledgeBase, query: str = "pumps", **more: object) -> SearchResult:
    return kb.search("docs", SearchRequest(query, MAX_HITS), OPERATOR, **more)  # type: ignore[arg-type]


def check_whole(kb: KnowledgeBase, documents: int, about_pumps: int | None = None) -> None:
    """Both legs caught up, and hold exactly what the catalog does."""
    eventually(lambda: kb.freshness("docs")["lag"] == 0 and not kb.troubles(), what="catching up")
    verdict = verify_collection(kb, "docs")
    assert verdict.in_step and verdict.documents == documents, verdict
    wanted = documents if about_pumps is None else about_pumps
    assert len(search(kb, plan=WORDS_ONLY).hits) == min(wanted, MAX_HITS)


def test_down_for_a_while(stack: Stack, served: Served) -> None:
    kb = served.kb
    assert search(kb).degraded == ()
    stack.kill("elasticsearch")
    seq = write(kb, "new", 10)
    eventually(lambda: "sparse" in kb.troubles().get("docs", {}), what="noticing the outage")
    eventually(lambda: len(search(kb, "pumps of series new").hits) == 30, what="finding new documents by the dense leg")
    body = {"query": "pumps", "collection": "docs"}
    found = served.client.post("/v1/search", json=body, headers=served.headers()).json()
    assert (found["degraded"], len(found["hits"])) == (["sparse"], 10)
    assert served.client.get("/readyz").json() == {"status": "ok", "degraded": ["sparse"]}
    answer = served.client.post(
        "/v1/answers", json={"question": "pumps?", "collection": "docs"}, headers=served.headers()
    )
    assert answer.status_code == 200
    with pytest.raises(OutageError, match="no leg of the search answers"):
        search(kb, plan=WORDS_ONLY)
    with pytest.raises(NotYetSearchableError, match="sparse"):
        search(kb, min_seq=seq, timeout=0.3)
    stack.up(["elasticsearch"])
    check_whole(kb, 30)
    assert search(kb, min_seq=seq, timeout=5).degraded == ()
    assert served.client.get("/readyz").json()["degraded"] == []


def test_frozen_while_it_is_written_to(stack: Stack, served: Served) -> None:
    kb = served.kb
    stack.pause("elasticsearch")
    try:
        write(kb, "new", 200)
        eventually(lambda: len(search(kb).hits) == 220, what="the dense leg going on")
        eventually(lambda: "sparse" in kb.troubles().get("docs", {}), what="noticing")
        found = search(kb)
        assert found.degraded == ("sparse",)
        assert found.stages["sparse"] < 1000 * SEARCH_TIMEOUT_SECONDS, "a leg known to be down is not waited for"
    finally:
        stack.resume("elasticsearch")
    check_whole(kb, 220)


def test_frozen_a_search_that_must_see_a_write_says_that_it_cannot(stack: Stack, served: Served) -> None:
    kb = served.kb
    stack.pause("elasticsearch")
    try:
        seq = write(kb, "new", 5)
        kb.wait_searchable("docs", seq, PATIENCE_SECONDS)  # as long as nobody knows: this process keeps the words
        for _ in range(2):  # the one that notices, and one that comes later
            with pytest.raises(NotYetSearchableError, match="sparse"):
                search(kb, min_seq=seq, timeout=0.3)
    finally:
        stack.resume("elasticsearch")
    check_whole(kb, 25)
    assert search(kb, min_seq=seq, timeout=5).degraded == ()


def test_frozen_for_longer_than_the_log_is_kept(stack: Stack, served: Served) -> None:
    kb = served.kb
    stack.pause("elasticsearch")
    try:
        write(kb, "new", 200)
        kb.write("docs", [Deletion("old3"), Document("old4", "valves now")])
        eventually(lambda: "sparse" in kb.troubles().get("docs", {}), what="noticing")
        record = kb.catalog.collections.get("docs")
        assert kb.catalog.pruning.operations(record, utc_now() + timedelta(seconds=5)) > 200
    finally:
        stack.resume("elasticsearch")
    check_whole(kb, 219, about_pumps=218)
    assert [hit.chunk.key for hit in search(kb, "valves", plan=WORDS_ONLY).hits] == ["old4"]
    write(kb, "later", 5)
    check_whole(kb, 224, about_pumps=223)


def test_killed_in_the_middle_of_a_long_catch_up(stack: Stack, served: Served) -> None:
    kb = served.kb
    for part in range(10):
        write(kb, f"p{part}x", 300)
    stack.kill("elasticsearch")
    write(kb, "late", 5)
    stack.up(["elasticsearch"])
    check_whole(kb, 3025)


def test_an_index_deleted_behind_our_back_is_built_again(served: Served) -> None:
    kb, settings = served.kb, served.settings
    server = open_server(settings)
    drop_indexes(server, shared_name(settings, kb.catalog.collections.get("docs")))
    assert len(search(kb).hits) == 20, "the dense leg answers meanwhile"
    check_whole(kb, 20)
    server.close()


def test_a_catalog_that_came_back_from_a_backup_has_its_index_built_again(served: Served, tmp_path: Path) -> None:
    kb = served.kb
    with closing(sqlite3.connect(served.settings.data_dir / "catalog.db")) as catalog:
        with closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
            catalog.backup(backup)
            write(kb, "lost", 10)
            check_whole(kb, 30)
            backup.backup(catalog)
    kb.runtimes.forget("docs")
    kb.runtime("docs")
    check_whole(kb, 20)
    write(kb, "fresh", 5)
    check_whole(kb, 25)
    views = kb.runtime("docs").follower.views
    assert (views.frequency("lost"), views.frequency("fresh")) == (0, 5)


OTHER_PROCESS = """
import sys, time
from pathlib import Path
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings, load_settings
from infra.stack.errors import FetchError, MissingProgramError

folder, catalog, elasticsearch = sys.argv[1:]
settings = Settings(
    data_dir=Path(folder),
    encoder="hash",
    catalog_url=catalog,
    elasticsearch_url=elasticsearch,
    elasticsearch_prefix="faults",
)
with KnowledgeBase.open(settings) as kb:
    kb.runtime("docs")
    print("open", flush=True)
    time.sleep(600)
"""


def test_the_next_process_takes_over_from_a_killed_one(stack: Stack, fresh_postgres: str, tmp_path: Path) -> None:
    url = stack.url("elasticsearch")
    shared = {"encoder": "hash", "catalog_url": fresh_postgres, "elasticsearch_url": url}
    settings = Settings(data_dir=tmp_path / "a", elasticsearch_prefix="faults", **shared)  # type: ignore[arg-type]
    with KnowledgeBase.open(settings) as kb:
        kb.create_collection("docs")
        command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "b"), fresh_postgres, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout is not None and other.stdout.readline().strip() == b"open"
                seq = write(kb, "first", 20)
                kb.wait_searchable("docs", seq, PATIENCE_SECONDS)
                index = server_part(kb.runtime("docs").follower.views.sparse)
                assert index is not None
                lease = kb.catalog.leases.holder(f"view {index.shared_name}")
                assert lease is not None
                write(kb, "second", 200)
            finally:
                other.kill()
        last = write(kb, "third", 20)
        # searches see it before: this process keeps what the index does not have
        eventually(lambda: index.seq, lambda seq: seq >= last, what="taking over")
        assert kb.catalog.leases.holder(f"view {index.shared_name}") != lease
        check_whole(kb, 240)
        kb.drop_collection("docs")

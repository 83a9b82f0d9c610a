"""Documents over REST: what was written is found by the very next search, what was deleted never again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from api_world import SECRET_WORD, World, check_native_error, replaced_while_read, world
from httpx import Response

from api.wire.documents import BulkResponse, DocumentPage, DocumentView, WriteResponse
from api.wire.search import SearchResponse

ROUNDS = 200
DOCUMENTS = "/v1/collections/docs/documents"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


def put(served: World, key: str, wait_for: str = "searchable", **body: Any) -> Response:
    return served.call("PUT", f"{DOCUMENTS}/{key}", "writer", params={"wait_for": wait_for}, json=body)


def found(served: World, query: str, **more: Any) -> set[str]:
    response = served.search(query, "reader", top_k=50, **more)
    assert response.status_code == 200, response.text
    return {hit["key"] for hit in response.json()["hits"] if query in hit["text"]}


def test_searchable_means_found_by_the_next_search(served: World) -> None:
    """The promise of `wait_for=searchable`, for writes, rewrites and deletions, two hundred times each."""
    for number in range(ROUNDS):
        key, first, second = f"round/{number}", f"alpha{number}omega", f"beta{number}omega"
        assert put(served, key, text=f"It says {first} here").json()["searchable"]
        assert found(served, first) == {key}
        assert put(served, key, text=f"It says {second} here").json()["outcome"] == "updated"
        assert found(served, second) == {key} and found(served, first) == set()
        gone = served.call("DELETE", f"{DOCUMENTS}/{key}", "writer", params={"wait_for": "searchable"})
        assert gone.json()["outcome"] == "deleted"
        assert found(served, second) == set()


def test_a_search_may_wait_for_a_write_instead(served: World) -> None:
    for number in range(20):
        written = put(served, "later", "committed", text=f"gamma{number}omega").json()
        assert not written["searchable"]
        assert found(served, f"gamma{number}omega", min_seq=written["seq"]) == {"later"}


def test_writes_are_idempotent_and_ordered_by_version(served: World) -> None:
    assert put(served, "v", text="version seven", version=7).json()["outcome"] == "created"
    assert put(served, "v", text="version seven", version=7).json()["outcome"] == "unchanged"
    assert put(served, "v", text="version six", version=6).json()["outcome"] == "stale"
    assert put(served, "v", text="version seven", metadata={"a": 1}, version=8).json()["outcome"] == "metadata"
    gone = served.call("DELETE", f"{DOCUMENTS}/v", "writer", params={"version": 10})
    assert gone.json()["outcome"] == "deleted"
    assert put(served, "v", text="version nine", version=9).json()["outcome"] == "stale"
    assert put(served, "v", text="version eleven", version=11).json()["outcome"] == "created"
    again = served.call("DELETE", f"{DOCUMENTS}/never-there", "writer").json()
    assert again["outcome"] == "absent" and again["document_id"] == "docs/never-there"


def test_a_document_comes_back_as_it_was_sent(served: World) -> None:
    body = {"text": "Über die Gewährleistung: 保修期24个月。", "title": "Garantie", "uri": "https://example.org/a?b=c"}
    body |= {
        "metadata": {"year": 2024, "tags": ["a", "b"], "nested": {"x": None}},
        "acl": ["everyone"],
        "language": "de",
    }
    put(served, "a/b c/ü", **body)
    shown = served.call("GET", f"{DOCUMENTS}/a/b c/ü", "reader", params={"chunks": True}).json()
    assert {name: shown[name] for name in body} == body
    assert [body["text"][one["start"] : one["end"]] for one in shown["passages"]] == [
        one["text"] for one in shown["passages"]
    ]
    DocumentView.model_validate(shown)


def test_passages_are_of_the_version_that_the_caller_may_read(served: World) -> None:
    put(served, "replaced", text="Salaries are confidential.")
    with replaced_while_read(served.kb, "replaced"):
        answer = served.call("GET", f"{DOCUMENTS}/replaced", "reader", params={"chunks": True})
    assert answer.status_code == 200
    shown = answer.json()
    assert [shown["text"], *(one["text"] for one in shown["passages"])] == ["Salaries are confidential."] * 2
    assert SECRET_WORD not in answer.text
    check_native_error(served.call("GET", f"{DOCUMENTS}/replaced", "reader", params={"chunks": True}), 404)


def test_lists_page_through_everything_once(served: World) -> None:
    for number in range(25):
        put(served, f"list/{number:02}", "committed", text=f"entry {number}")
    keys: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = served.call("GET", DOCUMENTS, params={"prefix": "list/", "limit": 10, "cursor": cursor}).json()
        DocumentPage.model_validate(page)
        keys += [one["key"] for one in page["documents"]]
        cursor = page["next_cursor"]
    assert keys == [f"list/{number:02}" for number in range(25)]
    assert served.call("GET", DOCUMENTS, params={"source": "no such source"}).json()["documents"] == []
    check_native_error(served.call("GET", DOCUMENTS, params={"cursor": "!"}), 422, "invalid_cursor")


def test_bulk_lines_stand_for_themselves(served: World) -> None:
    put(served, "bulk/old", text="to be removed deltaomega")
    lines = [
        {"id": "bulk/new", "text": "epsilonomega arrives"},
        {"id": "bulk/old", "deleted": True},
        {"id": "bulk/bad", "text": 5},
        {"id": "bulk/extra", "text": "x", "unknown": 1},
        {"id": "bulk/nan", "text": "x", "metadata": {"big": 2**70}},
    ]
    content = "\n".join(json.dumps(line) for line in lines) + "\n{broken\n\n"
    response = bulk(served, content)
    assert response.status_code == 207
    answer = BulkResponse.model_validate(response.json())
    assert [(item.line, item.key, item.outcome) for item in answer.items] == [
        (1, "bulk/new", "created"),
        (2, "bulk/old", "deleted"),
    ]
    assert [failure.line for failure in answer.failures] == [3, 4, 5, 6]
    assert found(served, "epsilonomega") == {"bulk/new"} and found(served, "deltaomega") == set()
    check_native_error(bulk(served, "{broken"), 422, "invalid_lines")
    check_native_error(bulk(served, ""), 422, "invalid_lines")


def test_the_first_line_may_follow_a_byte_order_mark(served: World) -> None:
    answer = bulk(served, "\ufeff" + json.dumps({"id": "bulk/marked", "text": "a"})).json()
    assert answer["counts"] == {"created": 1} and answer["failures"] == []


def bulk(served: World, content: str) -> Response:
    return served.call(
        "POST", f"{DOCUMENTS}:bulk", "writer", params={"wait_for": "searchable"}, content=content.encode()
    )


def test_a_thousand_lines_at_once(served: World) -> None:
    content = "\n".join(json.dumps({"id": f"many/{n}", "text": f"zeta{n}omega"}) for n in range(1200))
    answer = bulk(served, content).json()
    assert answer["counts"] == {"created": 1200} and len(answer["items"]) == 1200
    assert found(served, "zeta777omega") == {"many/777"}


def test_files_become_documents(served: World) -> None:
    files = [
        ("files", ("guide.md", b"# Guide\n\n## Setup\n\nPress the etaomega button.\n")),
        ("files", ("../../etc/notes.txt", "Die Größe ist 5 cm.".encode("latin-1"))),
        ("files", ("broken.pdf", b"%PDF-1.7 nothing")),
        ("files", ("image.xyz", b"abc")),
        ("files", ("other/guide.md", b"# Another guide")),
    ]
    data = {"prefix": "up/", "metadata": '{"team": "docs"}', "acl": ["everyone"]}
    url = f"{DOCUMENTS}:upload"
    response = served.call("POST", url, "writer", params={"wait_for": "searchable"}, files=files, data=data)
    assert response.status_code == 207, response.text
    outcomes = [(one["file"], one["key"] if "key" in one else None) for one in response.json()["files"]]
    assert outcomes == [
        ("guide.md", "up/guide.md"),
        ("notes.txt", "up/notes.txt"),
        ("broken.pdf", None),
        ("image.xyz", None),
        ("guide.md", None),
    ]
    assert "also called guide.md" in response.json()["files"][-1]["error"]
    assert found(served, "etaomega", filter={"team": "docs"}) == {"up/guide.md"}
    assert "Größe" in served.call("GET", f"{DOCUMENTS}/up/notes.txt").json()["text"]
    check_native_error(served.call("POST", url, "writer", files=files[2:4]), 422, "unreadable_file")


def test_responses_are_as_described(served: World) -> None:
    """Responses on the hot path are built by hand; the models that describe them must accept them."""
    WriteResponse.model_validate(put(served, "model", text="thetaomega", metadata={"n": 1}).json())
    for explain in (False, True):
        SearchResponse.model_validate(served.search("thetaomega", explain=explain).json())
    hit = served.search("thetaomega", explain=True).json()["hits"][0]
    assert hit["explain"]["sparse"]["rank"] == 1 and hit["metadata"] == {"n": 1}
    assert hit["source"] == {"name": "api", "table": "", "key": "model", "position": None}


def test_the_default_acl_takes_effect_at_once(served: World) -> None:
    put(served, "guarded", text="iotaomega")
    assert found(served, "iotaomega") == {"guarded"}
    served.call("PATCH", "/v1/collections/docs", json={"default_acl": ["staff"]})
    assert found(served, "iotaomega") == set()
    served.call("PATCH", "/v1/collections/docs", json={"default_acl": ["everyone"]})
    assert found(served, "iotaomega") == {"guarded"}


def test_synonyms_take_effect_at_once(served: World) -> None:
    put(served, "syn", text="kappaomega only")
    words_only = {"fusion": "sparse"}
    assert served.search("lambdaomega", plan=words_only).json()["hits"] == []
    served.call("PATCH", "/v1/collections/docs", json={"synonyms": [["kappaomega", "lambdaomega"]]})
    assert [hit["key"] for hit in served.search("lambdaomega", plan=words_only).json()["hits"]] == ["syn"]


def test_a_dropped_collection_is_gone(served: World) -> None:
    assert served.call("POST", "/v1/collections", json={"name": "brief"}).status_code == 201
    check_native_error(served.call("POST", "/v1/collections", json={"name": "brief"}), 409, "conflict")
    served.call("PUT", "/v1/collections/brief/documents/x", json={"text": "here"})
    assert served.call("DELETE", "/v1/collections/brief").status_code == 204
    for method, path in (("GET", "/v1/collections/brief"), ("GET", "/v1/collections/brief/documents/x")):
        check_native_error(served.call(method, path), 404, "not_found")
    search = served.call("POST", "/v1/search", json={"query": "here", "collection": "brief"})
    check_native_error(search, 404, "not_found")


def test_settings_may_change_while_others_search(served: World) -> None:
    """Views are opened anew under running searches; nobody gets more than a request to try again."""
    statuses: set[int] = set()
    done = threading.Event()

    def search_on() -> None:
        while not done.is_set():
            statuses.add(served.search("warranty", "reader").status_code)

    threads = [threading.Thread(target=search_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        changed = served.call("PATCH", "/v1/collections/docs", json={"dictionary": [f"word{number}"]})
        assert changed.status_code == 200
    done.set()
    for thread in threads:
        thread.join()
    assert 200 in statuses and statuses <= {200, 503}
    assert served.search("warranty", "reader").status_code == 200


@pytest.mark.parametrize("key", ["..", "a/../b", "./a", "a/."])
def test_a_key_that_clients_would_take_for_another_is_refused(served: World, key: str) -> None:
    answer = bulk(served, json.dumps({"id": key, "text": "a"}) + "\n" + json.dumps({"id": "...", "text": "b"}))
    assert answer.status_code == 207 and answer.json()["counts"] == {"created": 1}, answer.text
    assert "no request can name" in answer.json()["failures"][0]["message"]
    assert bulk(served, json.dumps({"id": key, "deleted": True})).json()["counts"] == {"absent": 1}, "older ones can go"
    path = f"{DOCUMENTS}/{key.replace('.', '%2E')}"  # a client that leaves it as it is
    check_native_error(served.call("PUT", path, json={"text": "a"}), 422, "invalid_request")
    assert served.call("DELETE", f"{DOCUMENTS}/...").status_code == 200


@pytest.mark.parametrize("key", ["two\nlines", "ends\n", "\r\nbegins", "a/b\u2028c/\n/d"])
def test_a_key_with_line_breaks_can_be_reached(served: World, key: str) -> None:
    """Keys come from databases too; what was stored must be there to read, change and delete."""
    line = json.dumps({"id": key, "text": "a key of two lines"})
    assert served.call("POST", f"{DOCUMENTS}:bulk", "writer", content=line).json()["counts"] == {"created": 1}
    path = f"{DOCUMENTS}/{quote(key)}"
    assert served.call("GET", path).json()["key"] == key
    assert served.call("PATCH", path, json={"acl": ["staff"]}).status_code == 200
    assert served.call("PUT", path, json={"text": "another text"}).json()["outcome"] == "updated"
    assert served.call("DELETE", path).status_code == 200
    check_native_error(served.call("GET", path), 404, "not_found")

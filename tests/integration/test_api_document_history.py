"""Former versions, deleted documents, rights and the narrowed list over REST."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from api_world import SECRET_WORD, World, check_native_error, world
from httpx import Response

from api.wire.documents import DocumentFacets, FormerPage, FormerVersions, FormerView

COLLECTION = "/v1/collections/docs"


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


def put(served: World, key: str, **body: Any) -> None:
    path = f"{COLLECTION}/documents/{key}?wait_for=searchable"
    served.call("PUT", path, "writer", json=body).raise_for_status()


def get(served: World, what: str, who: str = "writer", **params: Any) -> Response:
    return served.call("GET", f"{COLLECTION}/documents{what}", who, params=params)


def restore(served: World, who: str = "writer", **body: Any) -> Response:
    return served.call("POST", f"{COLLECTION}/documents:restore?wait_for=searchable", who, json=body)


def found(served: World, word: str) -> set[str]:
    return {hit["key"] for hit in served.search(word, "reader").json()["hits"] if word in hit["text"]}


def test_a_former_version_is_shown_and_brought_back(served: World) -> None:
    put(served, "rule/1", title="Old rule", text="It takes alphaomega days.", metadata={"year": 2024})
    put(served, "rule/1", title="New rule", text="It takes betaomega days.", metadata={"year": 2025})
    versions = FormerVersions.model_validate(get(served, ":versions", key="rule/1").json()).versions
    assert [(one.version, one.title, one.deleted, one.text) for one in versions] == [(1, "Old rule", False, None)]
    whole = FormerView.model_validate(get(served, ":version", key="rule/1", version=1).json())
    assert (whole.text, whole.metadata) == ("It takes alphaomega days.", {"year": 2024})
    assert restore(served, key="rule/1", version=1).json()["outcome"] == "updated"
    assert found(served, "alphaomega") == {"rule/1"} and found(served, "betaomega") == set()
    assert get(served, "/rule/1").json()["metadata"] == {"year": 2024}
    kept = get(served, ":versions", key="rule/1").json()["versions"]
    assert [one["title"] for one in kept] == ["New rule", "Old rule"]
    check_native_error(restore(served, key="rule/1", version=99), 404)


def test_a_deletion_can_be_undone(served: World) -> None:
    put(served, "oops", title="Still needed", text="It says gammaomega.")
    served.call("DELETE", f"{COLLECTION}/documents/oops?wait_for=searchable", "writer").raise_for_status()
    deleted = FormerPage.model_validate(get(served, ":deleted").json()).documents
    assert [(one.key, one.title) for one in deleted] == [("oops", "Still needed")]
    assert found(served, "gammaomega") == set()
    assert restore(served, key="oops", version=deleted[0].version).json()["outcome"] == "created"
    assert found(served, "gammaomega") == {"oops"} and get(served, ":deleted").json()["documents"] == []


def test_history_is_for_those_who_maintain_documents_and_may_read_them(served: World) -> None:
    put(served, "secret", text=f"No longer about a {SECRET_WORD}", acl=["staff"])
    for what in (":versions", ":deleted"):
        check_native_error(get(served, what, "reader", key="secret"), 403)
    check_native_error(restore(served, "reader", key="secret", version=1), 403)
    assert get(served, ":versions", "writer", key="secret").json() == {"versions": []}
    check_native_error(get(served, ":version", "writer", key="secret", version=1), 404)
    check_native_error(restore(served, "writer", key="secret", version=1), 404)
    assert SECRET_WORD in get(served, ":version", "admin", key="secret", version=1).json()["text"]


def test_an_admin_changes_who_may_read_it(served: World) -> None:
    put(served, "plan", title="The plan", text="It says deltaomega.", metadata={"year": 2024})
    path = f"{COLLECTION}/documents/plan?wait_for=searchable"
    check_native_error(served.call("PATCH", path, "writer", json={"acl": ["staff"]}), 403)
    assert found(served, "deltaomega") == {"plan"}
    assert served.call("PATCH", path, json={"acl": ["staff"]}).json()["outcome"] == "metadata"
    assert found(served, "deltaomega") == set()
    shown = get(served, "/plan", "admin").json()
    assert (shown["acl"], shown["title"], shown["metadata"]) == (["staff"], "The plan", {"year": 2024})
    assert served.call("PATCH", path, json={"acl": None}).json()["outcome"] == "metadata"
    assert found(served, "deltaomega") == {"plan"}
    check_native_error(served.call("PATCH", path.replace("plan", "none"), json={"acl": None}), 404)
    check_native_error(served.call("PATCH", path, json={}), 422)


def test_the_list_is_narrowed(served: World) -> None:
    put(served, "manual/1", title="Drive 100%_safe", text="A manual about drives.", metadata={"year": 2023})
    put(served, "manual/2", title="DRIVE repair", text="A manual about repairs.", metadata={"year": 2025})
    put(served, "notes/drive", title="驱动器", text="所有驱动器的保修期为二十四个月。", language="zh")

    def keys(**params: Any) -> list[str]:
        return [one["key"] for one in get(served, "", "reader", **params).json()["documents"]]

    assert keys(query="drive") == ["manual/1", "manual/2", "notes/drive"]
    assert keys(query="100%_") == ["manual/1"]  # its signs mean themselves
    assert keys(query="drive", language="zh") == ["notes/drive"]
    assert keys(filter=json.dumps({"year": {"$gte": 2024}})) == ["manual/2"]
    assert keys(filter=json.dumps({"_language": "zh"})) == ["notes/drive"]
    assert keys(query=SECRET_WORD) == []
    for wrong in ("{", "[]", '{"$nonsense": 1}'):
        check_native_error(get(served, "", "reader", filter=wrong), 422)
    first = get(served, "", "reader", query="drive", limit=2).json()
    rest = get(served, "", "reader", query="drive", limit=2, cursor=first["next_cursor"]).json()
    assert [one["key"] for one in rest["documents"]] == ["notes/drive"]


def test_facets_count_what_the_caller_may_read(served: World) -> None:
    put(served, "notes/drive", title="驱动器", text="所有驱动器的保修期为二十四个月。", language="zh")
    seen = {who: DocumentFacets.model_validate(get(served, ":facets", who).json()) for who in ("reader", "admin")}
    assert seen["admin"].documents == seen["reader"].documents + 1
    for facets in seen.values():
        assert sum(one.documents for one in facets.sources) == facets.documents
        assert {one.language: one.documents for one in facets.languages}["zh"] == 1


def test_a_change_of_rights_never_brings_back_what_was_replaced_or_deleted(served: World) -> None:
    """Text that was acknowledged while an administrator changed the rights again and again is the text that stays."""
    path, ending, refused = f"{COLLECTION}/documents/busy", threading.Event(), list[int]()

    def change_rights() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            refused.append(served.call("PATCH", path, json={"acl": ["everyone", f"group{number}"]}).status_code)

    put(served, "busy", text="It says revision none.")
    threads = [threading.Thread(target=change_rights) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            text = f"It says revision {number}. " + "Not all of it is new. " * 200
            put(served, "busy", text=text)
            assert get(served, "/busy", "admin").json()["text"].startswith(f"It says revision {number}.")
        assert served.call("DELETE", path).json()["outcome"] == "deleted"
        wanted = len(refused) + 6
        while len(refused) < wanted:
            check_native_error(get(served, "/busy", "admin"), 404)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert set(refused) == {200, 404}

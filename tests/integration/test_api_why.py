"""Why a document is, or is not, found: the verdict follows the search's own steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_world import SECRET_WORD, World, check_native_error, replaced_while_read, world

from api.wire.search import WhyResponse

DOCUMENTS = "/v1/collections/docs/documents"
MANY = 40


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        for number in range(MANY):
            text = "torque " * (MANY - number) + f"and nothing else than page {number} of a long book."
            put(opened, f"page/{number:02}", text=text, metadata={"number": number})
        yield opened


def put(served: World, key: str, **body: Any) -> None:
    served.call("PUT", f"{DOCUMENTS}/{key}?wait_for=searchable", "writer", json=body).raise_for_status()


def why(served: World, key: str, query: str = "torque", who: str = "admin", **more: Any) -> WhyResponse:
    body = {"query": query, "collection": "docs", "key": key, **more}
    answer = served.call("POST", "/v1/search/why", who, json=body)
    assert answer.status_code == 200, answer.text
    return WhyResponse.model_validate(answer.json())


def leg(told: WhyResponse, name: str) -> Any:
    return next(one for one in told.legs if one.leg == name)


def test_it_agrees_with_the_search(served: World) -> None:
    """The oracle is the search itself: what it returns is found, at that place and with that score."""
    hits = served.search("torque", top_k=5).json()["hits"]
    for place, hit in enumerate(hits, 1):
        told = why(served, hit["key"], top_k=5)
        assert (told.verdict, told.place, told.score) == ("found", place, hit["score"])
    longer = served.search("torque", top_k=30).json()["hits"]
    for place, hit in list(enumerate(longer, 1))[5::8]:
        told = why(served, hit["key"], top_k=5)
        assert (told.verdict, told.place) == ("outranked", place)
        assert told.last_score == hits[-1]["score"] and told.score is not None and told.score <= told.last_score


def test_each_leg_tells_rank_and_score(served: World) -> None:
    words_only = {"fusion": "sparse", "sparse_depth": MANY}
    ranked = served.search("torque", plan=words_only, top_k=MANY, group_by="chunk", explain=True).json()["hits"]
    for hit in ranked[::9]:
        told = leg(why(served, hit["key"], plan=words_only), "sparse")
        assert (told.rank, told.chunk_id) == (hit["explain"]["sparse"]["rank"], hit["chunk_id"])
        assert told.score == pytest.approx(hit["explain"]["sparse"]["score"])
    assert not leg(why(served, ranked[0]["key"], plan=words_only), "dense").used


def test_it_is_below_the_depth(served: World) -> None:
    shallow = {"fusion": "sparse", "sparse_depth": 1}
    last = served.search("torque", plan={"fusion": "sparse"}, top_k=MANY, group_by="chunk").json()["hits"][-1]
    told = why(served, last["key"], plan=shallow, top_k=1)
    assert told.verdict == "too_deep" and told.place is None
    assert leg(told, "sparse").rank == MANY > leg(told, "sparse").depth


def test_no_leg_finds_it(served: World) -> None:
    put(served, "elsewhere", title="Elsewhere", text="It is about harvests.")
    told = why(served, "elsewhere", "torque harvest moon", plan={"fusion": "sparse"}, top_k=1)
    assert {one.word: one.found for one in told.words} == {"torque": False, "harvest": True, "moon": False}
    told = why(served, "elsewhere", "torque", plan={"fusion": "sparse"})
    assert told.verdict == "no_match" and leg(told, "sparse").score is None


def test_the_filter_and_the_groups_are_named(served: World) -> None:
    told = why(served, "page/00", filter={"number": {"$gte": 1}})
    assert told.verdict == "filtered" and not told.passes_filter
    assert leg(told, "sparse").rank is None and leg(told, "sparse").score is not None
    told = why(served, "secret", SECRET_WORD, as_groups=["sales"])
    assert (told.verdict, told.document_groups) == ("forbidden", ["staff"])
    assert told.groups is not None and "staff" not in told.groups
    assert why(served, "secret", SECRET_WORD, as_groups=["staff"]).verdict == "found"
    assert why(served, "secret", SECRET_WORD).groups is None


def test_it_is_told_of_nothing_that_the_caller_may_not_read(served: World) -> None:
    question = {"query": SECRET_WORD, "collection": "docs"}
    told = [
        served.call("POST", "/v1/search/why", "reader", json={**question, "key": key}) for key in ("secret", "absent")
    ]
    for answer in told:
        check_native_error(answer, 404)
    messages = [answer.json()["error"]["message"] for answer in told]
    assert messages[0].replace("secret", "absent") == messages[1]
    body = {**question, "key": "secret", "as_groups": ["staff"]}
    check_native_error(served.call("POST", "/v1/search/why", "reader", json=body), 403)


def test_words_are_of_the_version_that_the_caller_may_read(served: World) -> None:
    put(served, "replaced", text="Salaries are confidential.")
    with replaced_while_read(served.kb, "replaced"):
        told = why(served, "replaced", f"confidential {SECRET_WORD}", "reader")
    assert {one.word: one.found for one in told.words} == {"confidential": True, SECRET_WORD: False}


def test_a_deleted_document_is_told_to_those_who_maintain_it(served: World) -> None:
    put(served, "gone", text="It was about torque.")
    served.call("DELETE", f"{DOCUMENTS}/gone?wait_for=searchable", "writer").raise_for_status()
    told = why(served, "gone", who="writer")
    assert told.verdict == "deleted" and told.deleted_at is not None
    body = {"query": "torque", "collection": "docs", "key": "gone"}
    check_native_error(served.call("POST", "/v1/search/why", "reader", json=body), 404)


def test_what_was_written_and_is_not_searchable_yet(served: World) -> None:
    """The views are held back by their own follower, as they are when a server of theirs does not answer."""
    runtime = served.kb.runtime("docs")
    runtime.follower.stop(save=False)
    try:
        served.call("PUT", f"{DOCUMENTS}/late", "writer", json={"text": "torque comes late"}).raise_for_status()
        told = why(served, "late")
        assert told.verdict == "not_searchable"
        assert told.seq is not None and told.searchable_seq is not None and told.seq > told.searchable_seq
    finally:
        served.kb.runtimes.forget("docs", save=False)
    assert why(served, "late", top_k=2 * MANY).verdict == "found"

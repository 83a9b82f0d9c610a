"""Whatever happens in whatever order, what is served equals a plain dict (hypothesis drives the order)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.generations.reindex import reindex, roll_back_generation
from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from ingest.changes import Change
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document, Principal, SourcePosition

KEYS = ["a", "b", "c", "d"]
GROUPS = ["everyone", "hr"]
NAMES = count()


@dataclass(frozen=True)
class Put:
    key: str
    words: tuple[int, ...]  # paragraphs, each by one word of its own
    group: str


@dataclass(frozen=True)
class Drop:
    key: str


@dataclass(frozen=True)
class Restart:
    clean: bool  # False: the views were not saved, as after kill -9


@dataclass(frozen=True)
class Save:
    pass


@dataclass(frozen=True)
class Reindex:
    chunk_tokens: int


@dataclass(frozen=True)
class RollBack:
    pass


ACTS = [None, Save(), Restart(clean=True), Restart(clean=False), Reindex(160), Reindex(220), RollBack()]
HISTORIES = st.lists(
    st.one_of(
        st.builds(
            Put, st.sampled_from(KEYS), st.lists(st.integers(0, 5), max_size=3).map(tuple), st.sampled_from(GROUPS)
        ),
        st.builds(Drop, st.sampled_from(KEYS)),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path_factory.mktemp("kb"), encoder="hash")) as opened:
        yield opened


def change_of(event: Put | Drop, at: int) -> Change:
    if isinstance(event, Drop):
        return Deletion(event.key, position=SourcePosition((at,)))
    text = "\n\n".join(f"paragraph about {word(number)}. " * 30 for number in event.words)
    return Document(
        event.key,
        text,
        f"document {event.key}",
        acl=(event.group,),
        metadata={"at": at},
        position=SourcePosition((at,)),
    )


def word(number: int) -> str:
    return f"topic{number}word"


def expected(history: list[Put | Drop]) -> dict[str, Put]:
    """The oracle: a dict that the history is applied to in the order of its positions."""
    state: dict[str, Put] = {}
    for event in history:
        if isinstance(event, Put):
            state[event.key] = event
        else:
            state.pop(event.key, None)
    return state


def served(kb: KnowledgeBase, collection: str, number: int, principal: Principal) -> set[str]:
    result = kb.search(collection, SearchRequest(word(number), 50, group_by="chunk"), principal)
    return {hit.chunk.key for hit in result.hits if word(number) in hit.chunk.text}


def assert_served(kb: KnowledgeBase, collection: str, state: dict[str, Put]) -> None:
    for number in range(6):
        living = {key for key, put in state.items() if number in put.words}
        open_ = {key for key in living if state[key].group == "everyone"}
        assert served(kb, collection, number, OPERATOR) == living
        assert served(kb, collection, number, Principal("somebody")) == open_
    assert kb.catalog.documents.keys(kb.catalog.collections.get(collection)) == set(state)
    verdict = verify_collection(kb, collection)
    assert verdict.in_step, verdict.sentence()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), history=HISTORIES)
def test_served_state_equals_a_dict(kb: KnowledgeBase, data: st.DataObject, history: list[Put | Drop]) -> None:
    collection = f"run{next(NAMES)}"
    kb.create_collection(collection)
    delivered = [change_of(event, at) for at, event in enumerate(history)]
    again = data.draw(st.lists(st.sampled_from(delivered), max_size=8), label="delivered twice")
    order = data.draw(st.permutations(delivered + again), label="order of arrival")
    while order:
        size = data.draw(st.integers(1, len(order)), label="batch")
        kb.write(collection, order[:size], wait=True)
        order = order[size:]
        act = data.draw(st.sampled_from(ACTS), label="then")
        if isinstance(act, Save):
            with kb.runtime(collection).follower.paused():
                kb.runtime(collection).follower.save()
        elif isinstance(act, Restart):
            kb.runtimes.forget(collection, save=act.clean)
        elif isinstance(act, Reindex):
            reindex(kb, collection, {"chunk_tokens": act.chunk_tokens}, lambda done, total: None)
        elif isinstance(act, RollBack) and len(kb.catalog.generations.all(kb.catalog.collections.get(collection))) > 1:
            roll_back_generation(kb, collection)
    assert_served(kb, collection, expected(history))
    kb.drop_collection(collection)

"""A document of many chunks takes the place of no other: as many documents come as are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.filters import AnyOf, Not
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR, Document, Principal
from search_core.corpus.legs import ask_legs
from search_core.corpus.snapshot import read_snapshot

NAME, NOTES, MANUALS = "long", 12, 3
QUERY = "pump manual"
FILLER = " ".join(f"word{number}" for number in range(110))


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("long")), encoder="hash")
    with KnowledgeBase.open(settings) as opened:
        opened.ensure_collection(NAME)
        part = "\n\n".join(f"pump manual {FILLER}." for _ in range(150))
        manuals = [Document(f"manual/{number}", part, "pump manual") for number in range(MANUALS)]
        notes = [Document(f"note/{number}", f"A customer asks about the pump. {FILLER}") for number in range(NOTES)]
        opened.write(NAME, [*manuals, *notes, Document("secret", "the pump", acl=("staff",))], wait=True)
        yield opened


def search(kb: KnowledgeBase, top: int, plan: Plan, principal: Principal = OPERATOR, but: str = "") -> SearchResult:
    condition = Not(AnyOf("_key", (but,))) if but else None
    return kb.search(NAME, SearchRequest(QUERY, top, condition), principal, plan=plan)


@pytest.mark.parametrize("fusion", list(FusionMethod))
def test_as_many_documents_come_as_are_asked_for(kb: KnowledgeBase, fusion: FusionMethod) -> None:
    plan = replace(DEFAULT_PLAN, fusion=fusion)
    found = [hit.chunk.key for hit in search(kb, 10, plan).hits]
    assert len(set(found)) == len(found) == 10
    assert {key for key in found if key.startswith("manual")} == {f"manual/{number}" for number in range(MANUALS)}


def test_there_are_no_more_than_match(kb: KnowledgeBase) -> None:
    found = {hit.chunk.key for hit in search(kb, 50, replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)).hits}
    assert len(found) == MANUALS + NOTES + 1


def test_what_comes_further_down_may_be_read_and_passes_the_filter(kb: KnowledgeBase) -> None:
    hits = search(kb, 50, DEFAULT_PLAN, Principal("anna"), but="note/3").hits
    assert {hit.chunk.key for hit in hits} == {
        *(f"manual/{number}" for number in range(MANUALS)),
        *(f"note/{number}" for number in range(NOTES) if number != 3),
    }


def test_nothing_is_asked_twice_where_documents_are_enough(kb: KnowledgeBase) -> None:
    assert "deeper" in search(kb, 10, DEFAULT_PLAN).stages
    assert "deeper" not in search(kb, 1, DEFAULT_PLAN).stages


@pytest.mark.parametrize("fusion", list(FusionMethod))
def test_tuning_foretells_it(kb: KnowledgeBase, fusion: FusionMethod) -> None:
    legs = ask_legs(
        read_snapshot(kb.catalog, kb.catalog.collections.get(NAME)),
        kb.open_encoder("hash"),
        [EvalQuery("q", QUERY, {})],
    )
    plan = replace(DEFAULT_PLAN, fusion=fusion)
    assert legs.rank(plan, 0) == [hit.chunk.key for hit in search(kb, 10, plan).hits]
    legs.snapshot.close()


@pytest.mark.parametrize("fusion", [FusionMethod.CONVEX, FusionMethod.RRF])
def test_the_only_document_with_a_code_stays_first(tmp_path: Path, fusion: FusionMethod) -> None:
    """A log fills the dense leg; what is asked for further down is no reason to count the words' first hit for less."""
    parts = " ".join(f"part{number}" for number in range(60))
    log = "\n\n".join(f"run {number}. {'line 07 ' * 100}." for number in range(150))
    shifts = [Document(f"shift/{number}", f"Shift of line 07 and hall {number}") for number in range(12)]
    others = [Document(f"other/{number}", f"Nothing of that kind {number}") for number in range(4)]
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.ensure_collection(NAME)
        manual = Document("manual", f"Fault E07 of the sealing unit: {parts}")
        kb.write(NAME, [Document("log", log), manual, *shifts, *others], wait=True)
        plan = replace(DEFAULT_PLAN, fusion=fusion)
        hits = kb.search(NAME, SearchRequest("line E07", 10), OPERATOR, plan=plan)
        assert "deeper" in hits.stages
        assert "manual" in [hit.chunk.key for hit in hits.hits[:2]]


def test_more_documents_do_not_change_the_order_of_the_first(kb: KnowledgeBase) -> None:
    once, deeper = (search(kb, top, DEFAULT_PLAN) for top in (2, 10))
    assert ("deeper" in once.stages, "deeper" in deeper.stages) == (False, True)
    assert [hit.chunk.key for hit in deeper.hits[:2]] == [hit.chunk.key for hit in once.hits]

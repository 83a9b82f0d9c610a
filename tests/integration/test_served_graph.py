"""Searches over the graph: through REST, within rights, after changes, after a restart, and without it."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from elastic import elastic_url, stack_of
from served import Served, in_process
from waiting import eventually

from api.sources.opening import open_source
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from retrieval.graph import EdgeKind, build_graph
from retrieval.graph.nodes import NodeKind, node_hash
from retrieval.graph.view import GraphView
from retrieval.plan import DEFAULT_PLAN, DiffusionEdges, DiffusionStep, FusionMethod
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR, Block, Deletion, Document, Principal
from search_core.corpus.legs import ask_legs
from search_core.corpus.snapshot import key_of, read_snapshot
from search_core.spaces.plan_mapping import architecture_of, plan_of, plan_space
from search_core.spaces.space_file import open_space
from search_core.stages.portfolio import portfolio

__all__ = ["elastic_url", "stack_of"]

LINKS = replace(DEFAULT_PLAN, diffusion=DiffusionStep(DiffusionEdges.LINKS, strength=0.5), feedback=0.0)
QUESTION = "Who recorded Green?"
DOCUMENTS = [
    Document("green", "Green was recorded by Steve Hillage.", "Green", acl=("everyone",)),
    Document("partner", "Steve Hillage lives with her since they met.", "Miquette Giraudy", acl=("everyone",)),
    Document("secret", "Steve Hillage told the board in confidence.", "Minutes", acl=("board",)),
    *(Document(f"other{n}", f"Sentence {n} about apples, pears and plums.", acl=("everyone",)) for n in range(12)),
]


# The rest told apart: what is equal but for a number is ranked by how a processor rounds.
TOLD_APART = [
    replace(one, text=f"{one.text} {' '.join(f'kind{at}x{more}' for more in range(at))}")
    for at, one in enumerate(DOCUMENTS)
]


def found(served: Served, principal: Principal = OPERATOR, *, query: str = QUESTION) -> dict[str, Any]:
    """Key of each hit with what the graph gave it; and that no search was without the graph."""
    result = served.kb.search("c", SearchRequest(query, 20), principal, plan=LINKS)
    assert result.degraded == ()
    return {hit.chunk.key: hit.fused.graph for hit in result.hits}


def test_links_bring_a_passage_and_explain_it(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        body = {"collection": "c", "query": QUESTION, "plan": LINKS.to_dict(), "explain": True, "top_k": 20}
        answer = served.client.post("/v1/search", json=body, headers=served.headers(Scope.ADMIN)).json()
        hits = {hit["key"]: hit for hit in answer["hits"]}
        assert [hit["key"] for hit in answer["hits"]][:2] == ["green", "partner"]
        graph = hits["partner"]["explain"]["graph"]
        assert (graph["edges"], graph["via"], graph["source"]) == ("links", "steve hillage", hits["green"]["chunk_id"])
        assert graph["contribution"] > 0
        assert "graph" in answer["stages"]
        plain = body | {"plan": "default"}
        answer = served.client.post("/v1/search", json=plain, headers=served.headers(Scope.ADMIN)).json()
        assert answer["hits"] and all(hit["explain"]["graph"] is None for hit in answer["hits"])


def test_what_the_caller_may_not_read_neither_comes_nor_counts(tmp_path: Path) -> None:
    staff = Principal("staff", frozenset({"everyone"}))
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [one for one in DOCUMENTS if one.key != "secret"], wait=True)
        before = found(served, staff)
        served.kb.write("c", [one for one in DOCUMENTS if one.key == "secret"], wait=True)
        assert "secret" in found(served)
        after = found(served, staff)
        assert "secret" not in after
        assert {key: part and round(part.contribution, 6) for key, part in after.items() if key == "partner"} == {
            key: part and round(part.contribution, 6) for key, part in before.items() if key == "partner"
        }


@pytest.mark.server
def test_links_reach_the_same_over_words_on_elasticsearch(tmp_path: Path, elastic_url: str) -> None:
    """Seeds come from either words index; what hangs on them, and how far, is the same, also after changes."""
    seen = []
    shared = {"elasticsearch_url": elastic_url, "elasticsearch_prefix": f"graph_{uuid4().hex[:8]}"}
    for folder, settings in (("embedded", {}), ("elastic", shared)):
        with in_process(tmp_path / folder, **settings) as served:
            served.kb.create_collection("c")
            served.kb.write("c", DOCUMENTS, wait=True)
            first = {key: part and round(part.contribution, 4) for key, part in found(served).items()}
            assert first["partner"] is not None and first["secret"] is not None
            served.kb.write(
                "c", [Document("partner", "She lives alone.", "Miquette Giraudy"), Deletion("secret")], wait=True
            )
            second = found(served)
            assert second.get("partner") is None and "secret" not in second
            seen.append(first)
            served.kb.drop_collection("c")
    assert seen[0] == seen[1]


def test_the_graph_follows_writes_and_deletions_at_once(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        assert found(served)["partner"] is not None
        served.kb.write("c", [Document("partner", "She lives alone.", "Miquette Giraudy")], wait=True)
        assert found(served).get("partner") is None
        served.kb.write("c", [Document("late", "Steve Hillage also painted.", "Paintings")], wait=True)
        assert found(served)["late"] is not None
        served.kb.write("c", [Deletion("green")], wait=True)
        assert "green" not in found(served)


def test_a_snapshot_is_opened_again_and_a_lost_one_is_rebuilt(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        first = found(served)
        seq = served.kb.runtime("c").follower.seq
    (folder,) = tmp_path.glob("views/*/*/graph")
    view = GraphView(folder, Analyzer())
    assert (view.seq, len(view)) == (seq, len(DOCUMENTS))
    view.close()
    for damage in (False, True):
        if damage:
            (folder / "graph.npz").write_bytes(b"nothing")
        with in_process(tmp_path) as served:
            assert found(served) == first


def test_a_plan_without_diffusion_opens_no_graph(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        served.kb.search("c", SearchRequest(QUESTION), OPERATOR)
        near = replace(DEFAULT_PLAN, diffusion=DiffusionStep(DiffusionEdges.DENSE))
        result = served.kb.search("c", SearchRequest(QUESTION), OPERATOR, plan=near)
        assert any(hit.fused.graph is not None for hit in result.hits)
    assert not list(tmp_path.glob("views/*/*/graph"))


@pytest.mark.parametrize("edges", list(DiffusionEdges))
def test_what_is_tuned_is_what_serves(tmp_path: Path, edges: DiffusionEdges) -> None:
    """A plan with diffusion scored from cached legs ranks as a search by it does, and the space can say such plans."""
    plan = replace(DEFAULT_PLAN, diffusion=DiffusionStep(edges, neighbours=5, strength=0.5))
    queries = [QUESTION, "Who lives with Steve Hillage?", "pears and sentence 3"]
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", TOLD_APART, wait=True)
        searched = [served.kb.search("c", SearchRequest(query), OPERATOR, plan=plan).hits for query in queries]
        runtime = served.kb.runtime("c")
        snapshot = read_snapshot(served.kb.catalog, runtime.collection)
        legs = ask_legs(snapshot, runtime.encoder, [EvalQuery(query, query, {}) for query in queries])
        for place, hits in enumerate(searched):
            assert [hit.chunk.key for hit in hits] == legs.rank(plan, place)
        snapshot.close()
    space = plan_space(open_space("gnn-lm-v1"))
    assert plan_of(architecture_of(plan, space), DEFAULT_PLAN) == plan
    assert plan_of(architecture_of(DEFAULT_PLAN, space), DEFAULT_PLAN) == DEFAULT_PLAN
    assert any(plan_of(one, DEFAULT_PLAN).diffusion is not None for one in portfolio(space))


MAPPING = """
tables:
  main.products: {title: name, body: "{name}"}
  main.faqs:
    title: question
    body: "{answer}"
    include:
      product: {table: main.products, on: {id: product_id}}
"""


def test_foreign_keys_are_edges_and_follow_the_rows(tmp_path: Path) -> None:
    """No text says that the questions are about one product: the database does."""
    database, mapping = tmp_path / "shop.db", tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    with sqlite3.connect(database) as rows:
        rows.executescript(
            "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT);"
            "INSERT INTO products VALUES (3, 'Falcon'), (4, 'Heron');"
            "CREATE TABLE faqs (id INTEGER PRIMARY KEY, product_id INTEGER, question TEXT, answer TEXT);"
            "INSERT INTO faqs VALUES (1, 3, 'How long?', 'Nine hours.'), (2, 3, 'How far?', 'Two miles.');"
            "INSERT INTO faqs VALUES (7, 4, 'Wet?', 'No.');"
        )
    with in_process(tmp_path / "kb") as served:
        served.kb.create_collection("c")

        def linked(key: str) -> set[str]:
            """What the row's document is joined to, over one edge."""
            opened = open_source(served.kb, "c", f"sqlite:///{database}", kind="sql", mapping=mapping)
            served.kb.ingest("c", opened.source, rows=opened.rows)
            runtime = served.kb.runtime("c")
            snapshot = read_snapshot(served.kb.catalog, runtime.collection)
            graph, keys = build_graph(snapshot.chunks), {chunk.label: key_of(chunk) for chunk in snapshot.chunks}
            snapshot.close()
            edges = [{keys[int(label)] for label in pair} for pair in graph.edges[EdgeKind.LINKS].pairs]
            state = served.kb.runtime("c").graph()
            assert state is not None and set(state.live) == set(keys)
            return {other for edge in edges if key in edge for other in edge - {key}}

        assert linked("main.faqs/1") == {"main.products/3", "main.faqs/2"}
        with sqlite3.connect(database) as rows:
            rows.execute("UPDATE faqs SET product_id = 4, answer = 'Ten hours.' WHERE id = 1")
        assert linked("main.faqs/1") == {"main.products/4", "main.faqs/7"}
        state = served.kb.runtime("c").graph()
        assert state is not None
        node = np.array([node_hash(NodeKind.ROW, f"{opened_name(served)}\nmain.products.id=3")])
        assert state.counts(node).tolist() == [2], "the product itself and the one question that is left"


def opened_name(served: Served) -> str:
    """The name of the only source."""
    (record,) = served.kb.catalog.sources.all(served.kb.catalog.collections.get("c"))
    return record.name


def test_hyperlinks_lead_to_passages_and_go_with_their_page(tmp_path: Path) -> None:
    """Pages that share no word are joined by the author's link alone, until the link or the page is gone."""
    site = tmp_path / "site"
    (site / "parts").mkdir(parents=True)

    def page(name: str, text: str) -> None:
        (site / name).write_text(f"<html><body><p>{text}</p></body></html>", encoding="utf-8")

    page("alarm.html", 'Error E-07 flashes: see <a href="parts/fan.html#swap">there</a>.')
    page("parts/fan.html", "Blow out dust every month.")
    page("parts/seal.html", "Grease rubber rings yearly.")
    for number in range(12):
        page(f"other{number}.html", f"Sentence {number} concerns apples.")
    with in_process(tmp_path / "kb") as served:
        served.kb.create_collection("c")

        def reached() -> dict[str, str]:
            """What the search reaches over hyperlinks, with what it is reached by."""
            served.kb.ingest("c", open_source(served.kb, "c", str(site)).source)
            body = {"collection": "c", "query": "error E-07", "plan": plan.to_dict(), "explain": True, "top_k": 20}
            answer = served.client.post("/v1/search", json=body, headers=served.headers(Scope.ADMIN)).json()
            assert answer["degraded"] == []
            parts = {hit["key"]: hit["explain"]["graph"] for hit in answer["hits"]}
            assert {part["edges"] for part in parts.values() if part} <= {"hyperlinks"}
            return {key: part["via"] for key, part in parts.items() if part and part["contribution"] > 0}

        plan = replace(
            DEFAULT_PLAN,
            diffusion=DiffusionStep(DiffusionEdges.HYPERLINKS, strength=0.5),
            fusion=FusionMethod.SPARSE,
            feedback=0.0,
        )
        assert reached() == {"parts/fan.html": "parts/fan.html"}
        page("alarm.html", 'Error E-07 flashes: see <a href="parts/seal.html">there</a>.')  # not one word is new
        assert reached() == {"parts/seal.html": "parts/seal.html"}
        page("alarm.html", "Error E-07 flashes: see there.")
        assert reached() == {}
        page("alarm.html", 'Error E-07 flashes: see <a href="/parts/fan">there</a>.')
        assert reached() == {"parts/fan.html": "parts/fan"}
        (site / "parts/fan.html").unlink()
        assert reached() == {}
        kept = served.kb.catalog.documents.get(served.kb.catalog.collections.get("c"), "alarm.html", OPERATOR)
        assert [block.links for block in kept.document.outline] == [("/parts/fan",)]
        assert list(served.kb.catalog.integrity.damaged(served.kb.catalog.collections.get("c"))) == []


def test_no_search_waits_for_the_graph_of_a_plan_that_is_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is there the plan before serves; searches by the new one find it from the first."""
    opening, may_open, openers = threading.Event(), threading.Event(), list[str]()
    begin = GraphView.__init__

    def slowly(view: GraphView, *arguments: Any, **options: Any) -> None:
        openers.append(threading.current_thread().name)
        opening.set()
        assert may_open.wait(60)
        begin(view, *arguments, **options)

    monkeypatch.setattr(GraphView, "__init__", slowly)
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        collection = served.kb.catalog.collections.get("c")
        number = served.kb.catalog.plans.add(collection, "links", LINKS.to_dict(), LINKS.digest, "test").id
        served.kb.catalog.plans.promote(collection, number, "another process", "")

        def serving() -> SearchResult:
            return served.kb.search("c", SearchRequest(QUESTION, 20), OPERATOR)

        eventually(lambda: serving().plan == DEFAULT_PLAN and opening.is_set())
        served.kb.runtime("c").refresh()
        assert serving().plan == DEFAULT_PLAN, "the plan waits, the search does not"
        may_open.set()
        eventually(lambda: serving().plan == LINKS)
        result = serving()
        assert result.degraded == () and any(hit.fused.graph is not None for hit in result.hits)
        assert openers == ["graph"]
    openers.clear()
    with in_process(tmp_path) as served:  # the server starts with it
        eventually(lambda: served.client.get("/readyz").status_code == 200)
        assert len(openers) == 1 and served.kb.runtime("c").graph.is_settled
        assert served.kb.search("c", SearchRequest(QUESTION, 20), OPERATOR).degraded == ()
        body = {"collection": "c"}
        admin = served.headers(Scope.ADMIN)
        assert served.client.post("/v1/plans/default/promote", json=body, headers=admin).status_code == 200
    openers.clear()
    with in_process(tmp_path) as served:  # nothing needs it, until somebody promotes such a plan again
        eventually(lambda: served.client.get("/readyz").status_code == 200)
        assert openers == []
        answer = served.client.post(f"/v1/plans/{number}/promote", json=body, headers=served.headers(Scope.ADMIN))
        assert answer.json()["serving"] and len(openers) == 1
        result = served.kb.search("c", SearchRequest(QUESTION, 20), OPERATOR)
        assert (result.plan, result.degraded) == (LINKS, ())
        assert len(openers) == 1


def test_a_catalog_in_postgresql_gives_the_same_graph(tmp_path: Path, fresh_postgres: str) -> None:
    """Names, hyperlinks and their retraction, over the other database."""
    linked = Document("page", "Nothing else is said.", outline=(Block(0, 21, links=("other3",)),))
    seen = []
    for folder, settings in (("sqlite", {}), ("postgresql", {"catalog_url": fresh_postgres})):
        with in_process(tmp_path / folder, **settings) as served:
            served.kb.create_collection("c")
            served.kb.write("c", [*DOCUMENTS, linked], wait=True)
            first = {key: part and round(part.contribution, 6) for key, part in found(served).items()}
            state = served.kb.runtime("c").graph()
            assert state is not None
            node = np.array([node_hash(NodeKind.ADDRESS, "api\nother3")])
            before = state.counts(node).tolist()
            served.kb.write("c", [replace(linked, outline=())], wait=True)
            state = served.kb.runtime("c").graph()
            assert state is not None
            assert (before, state.counts(node).tolist()) == ([2], [1])
            seen.append(first)
    assert seen[0] == seen[1]

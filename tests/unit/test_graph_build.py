"""Names in both languages by hand, and the edges of small corpora against what a reader would draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.graph import EdgeKind, build_graph
from retrieval.graph.names import asked_names, names_in, title_names
from retrieval.graph.nearest import nearest_vectors, nearest_words
from retrieval.graph.nodes import NodeKind, node_hash, of_kinds, references_of
from retrieval.types import IndexedChunk

Pairs = set[tuple[int, int]]


def chunk(
    label: int,
    title: str,
    text: str,
    *,
    document: int | None = None,
    key: str = "",
    links: tuple[str, ...] = (),
    uri: str | None = None,
    hyperlinks: tuple[str, ...] = (),
) -> IndexedChunk:
    number = label if document is None else document
    metadata = {"_key": key or f"d{number}", "_source": "here"}
    return IndexedChunk(label, number, title, "", text, None, ("everyone",), metadata, uri, links, hyperlinks)


def pairs(chunks: list[IndexedChunk], kind: EdgeKind) -> Pairs:
    return {(int(a), int(b)) for a, b in build_graph(chunks, kinds=[kind]).edges[kind].pairs}


@pytest.mark.parametrize(
    ("text", "names", "absent"),
    [
        (
            "Green is the fourth album by the guitarist Steve Hillage of the University of Kent.",
            {"steve hillage", "university of kent"},
            {"green", "the", "of", "is"},
        ),
        ("The Beatles played there. Then Liverpool cheered; Liverpool!", {"beatles", "liverpool"}, {"then"}),
        ("Fit the AX-1200 on 24 V, 3.5 kg; see “Safe stop”.", {"ax-1200", "24v", "3.5kg", "safe stop"}, {"fit"}),
        ("heat transfer in a slab. The heat transfer is steady.", {"heat transfer"}, {"transfer is", "slab"}),
        ("请参阅《服务手册》中的“延长保修”。", {"服务手册", "延长保修"}, {"的", "参阅服"}),
        ("伺服驱动器过热。检查伺服驱动器与电机。", {"伺服驱动器"}, {"服驱动", "检查伺"}),
        ("AX-1200 报 E-07 时，额定电流为12安。", {"ax-1200", "e-07", "12安", "额定电流"}, {"为"}),
    ],
)
def test_names_are_those_a_reader_would_mark(text: str, names: set[str], absent: set[str]) -> None:
    found = set(names_in("", "", text))
    assert names <= found
    assert not absent & found


def test_titles_lend_their_short_forms_and_questions_all_their_stretches() -> None:
    assert title_names("Green (Steve Hillage album)") == ["green (steve hillage album)", "green"]
    assert title_names("Potters Bar, Hertfordshire")[1] == "potters bar"
    assert title_names("服务手册（2024）")[-1] == "服务手册"
    assert {"steve hillage", "green"} <= set(asked_names("who married steve hillage of Green?"))
    assert {"伺服驱动器", "ax-1200"} <= set(asked_names("AX-1200伺服驱动器的保修期多长"))


def test_long_texts_name_a_bounded_number_of_things() -> None:
    assert len(names_in("", "", " ".join(f"PART-{number}" for number in range(10_000)))) == 64


def test_a_mention_of_a_title_is_a_link() -> None:
    chunks = [
        chunk(1, "Green (Steve Hillage album)", "An album by Steve Hillage."),
        chunk(2, "Steve Hillage", "He lives in Kent."),
        chunk(3, "Miquette Giraudy", "She is the partner of Steve Hillage."),
        chunk(4, "服务手册", "更换风扇。"),
        chunk(5, "保修", "见《服务手册》。"),
    ]
    assert pairs(chunks, EdgeKind.LINKS) == {(1, 2), (2, 3), (4, 5)}
    assert pairs(chunks, EdgeKind.ENTITIES) >= {(1, 3), (1, 2), (2, 3), (4, 5)}


def test_foreign_keys_and_hyperlinks_are_links() -> None:
    chunks = [
        chunk(1, "", "x", key="shop.products/3", links=("=shop.products.id=3",)),
        chunk(2, "", "x", key="shop.faqs/1", links=("shop.products.id=3",)),
        chunk(3, "", "x", key="shop.faqs/2", links=("shop.products.id=3",)),
        chunk(4, "", "see [returns](../legal/returns.md#who)", key="shop/guide.md"),
        chunk(5, "", "x", key="legal/returns.md", uri="https://www.example.com/returns/"),
        chunk(6, "", "as https://example.com/returns, says", key="other"),
    ]
    assert pairs(chunks, EdgeKind.LINKS) == {(1, 2), (1, 3), (2, 3), (4, 5), (5, 6)}
    assert pairs(chunks, EdgeKind.FOREIGN_KEYS) == {(1, 2), (1, 3), (2, 3)}
    assert pairs(chunks, EdgeKind.HYPERLINKS) == {(4, 5), (5, 6)}


@pytest.mark.parametrize(
    ("link", "key", "uri"),
    [
        ("setup.html", "docs/setup.html", None),
        ("./setup.html#first", "docs/setup.html", None),
        ("setup", "docs/setup.md", None),
        ("../legal/terms%20of%20use.html?print=1", "legal/terms of use.html", None),
        ("/docs/setup.html", "docs/setup.html", None),
        ("../../../setup.html", "setup.html", None),
        ("parts/", "docs/parts/index.html", None),
        ("..", "README.md", None),
        ("https://WWW.Example.com/a/?id=3#top", "x", "http://example.com/a/?id=3"),
        ("https://example.com/a/index.html", "x", "https://example.com/a"),
        ("//example.com/a", "x", "https://example.com/a"),
        ("https://example.com/a", "https://example.com/a", None),
    ],
)
def test_a_hyperlink_leads_to_the_document_that_a_browser_would_open(link: str, key: str, uri: str | None) -> None:
    linking = chunk(1, "", "see there", key="docs/guide.html", hyperlinks=(link,))
    target, other = chunk(2, "", "x", key=key, uri=uri), chunk(3, "", "x", key="docs/other.html")
    assert pairs([linking, target, other], EdgeKind.HYPERLINKS) == {(1, 2)}


def test_a_relative_link_of_a_page_with_an_address_is_relative_to_that() -> None:
    linking = chunk(1, "", "x", key="7f3a", uri="https://example.com/shop/list?page=2", hyperlinks=("item?id=3",))
    target = chunk(2, "", "x", key="9b1c", uri="https://www.example.com/shop/item?id=3")
    other = chunk(3, "", "x", key="0000", uri="https://www.example.com/shop/item?id=4")
    assert pairs([linking, target, other], EdgeKind.HYPERLINKS) == {(1, 2)}


@pytest.mark.parametrize("link", ["#top", "mailto:a@b.c", "https://[broken", "tel:123", "?q=1", "", "http://"])
def test_what_leads_to_no_document_makes_no_edge(link: str) -> None:
    chunks = [chunk(n, "", "x", key=f"docs/{n}.html", uri=f"https://e.org/{n}", hyperlinks=(link,)) for n in (1, 2)]
    assert pairs([chunks[0], replace(chunks[1], hyperlinks=())], EdgeKind.HYPERLINKS) == set()


def test_the_same_key_of_another_source_is_another_row() -> None:
    other = chunk(1, "", "x", key="shop.products/3")
    other = IndexedChunk(*[getattr(other, name) for name in other.__slots__][:7], {"_key": "shop.products/3"}, None, ())
    assert pairs([other, chunk(2, "", "[x](/shop.products/3)")], EdgeKind.LINKS) == set()


def test_structure_joins_what_follows_and_what_begins_a_document() -> None:
    chunks = [chunk(label, "", "x", document=1) for label in (2, 5, 9)] + [chunk(7, "", "x", document=2)]
    graph = build_graph(chunks[::-1], kinds=["structure"])
    found = {
        (int(a), int(b)): float(w)
        for (a, b), w in zip(graph.edges[EdgeKind.STRUCTURE].pairs, _weights(graph), strict=True)
    }
    assert found == {(2, 5): 1.0, (5, 9): 1.0, (2, 9): 0.5}


def _weights(graph: object) -> list[float]:
    return [float(weight) for weight in graph.edges[EdgeKind.STRUCTURE].weights]  # type: ignore[attr-defined]


def test_what_everybody_names_connects_nobody() -> None:
    chunks = [chunk(label, "", f"The ACME Group sells item N{label}x.") for label in range(300)]
    assert pairs(chunks, EdgeKind.ENTITIES) == set()


def test_nearest_vectors_are_those_of_brute_force() -> None:
    choose = np.random.default_rng(3)
    vectors = choose.standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = set()
    for place, row in enumerate(vectors @ vectors.T):
        row[place] = -2
        expected |= {tuple(sorted((place, int(other)))) for other in np.argsort(-row)[:4] if row[other] > 0}
    assert {(int(a), int(b)) for a, b in nearest_vectors(vectors, 4)[0]} == expected


def test_nearest_words_are_those_of_a_cosine_by_hand() -> None:
    choose = np.random.default_rng(4)
    sets = [set(choose.integers(0, 40, 6).tolist()) for _ in range(30)]
    frequency = {word: sum(word in one for one in sets) for one in sets for word in one}
    idf = {word: np.log(1 + 30 / count) if 2 <= count <= 20 else 0.0 for word, count in frequency.items()}
    norm = [sum(idf[word] ** 2 for word in one) ** 0.5 for one in sets]
    likeness = [
        [sum(idf[w] ** 2 for w in a & b) / (norm[i] * norm[j]) for j, b in enumerate(sets)] for i, a in enumerate(sets)
    ]
    found, weights = nearest_words([np.array(sorted(one)) for one in sets], 29)
    for (a, b), weight in zip(found, weights, strict=True):
        assert weight == pytest.approx(likeness[a][b], rel=1e-5)
    assert len(found) == sum(likeness[i][j] > 0 for i in range(30) for j in range(i))


def test_equal_chunks_give_an_equal_graph_in_any_order() -> None:
    chunks = [chunk(n, f"Title {n % 7}", f"Some Big Name {n % 5} and the Small Thing {n % 3}.") for n in range(40)]
    one, other = build_graph(chunks), build_graph(chunks[::-1])
    for kind in one.edges:
        np.testing.assert_array_equal(one.edges[kind].pairs, other.edges[kind].pairs)
        np.testing.assert_array_equal(one.edges[kind].weights, other.edges[kind].weights)
    assert one.nodes == other.nodes


def test_an_empty_corpus_has_an_empty_graph() -> None:
    graph = build_graph([])
    assert all(len(edges) == 0 for edges in graph.edges.values())
    assert graph.places("dense")[0].shape == (0, 2)


def test_vectors_that_do_not_match_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 chunk came with 2 vectors"):
        build_graph([chunk(1, "", "x")], np.zeros((2, 4), np.float32))


def test_a_role_shows_in_the_lowest_bit_of_a_hash() -> None:
    for reference in references_of(chunk(1, "Steve Hillage", "He met Nick Mason in Kent, Kent again.")):
        assert reference.hash == node_hash(reference.kind, reference.name) + reference.is_it
        assert node_hash(reference.kind, reference.name) % 2 == 0
        assert of_kinds(np.array([reference.hash]), [reference.kind]).all()
        assert not of_kinds(np.array([reference.hash]), set(NodeKind) - {reference.kind}).any()

"""Mapping of rows to documents: templates, joins, and the same documents whatever the order of changes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.changes import RowChange, RowEvent, Truncation
from ingest.errors import MappingError
from ingest.row_mapper import RowMapper
from ingest.row_values import key_text
from ingest.rows import MemoryRows
from ingest.table_mapping import TablesMapping, parse_mapping
from ingest.template import Template
from retrieval.types import Deletion, Document, SourcePosition

SHOP = {
    "tables": {
        "shop.products": {
            "title": "{code} {name}",
            "body": "{name}\nCategory: {category.name} in {category.area.name}\n{reviews.author}: {reviews.words}",
            "metadata": {"price": "price", "category": "category.name", "authors": "reviews.author"},
            "acl": "groups",
            "uri": "https://shop.example/{code}",
            "include": {
                "category": {
                    "table": "shop.categories",
                    "on": {"id": "category_id"},
                    "include": {"area": {"table": "shop.areas", "on": {"id": "area_id"}}},
                },
                "reviews": {"table": "shop.reviews", "on": {"product_id": "id"}, "many": True},
            },
        },
        "shop.categories": {"title": "name", "body": "name", "acl": ["staff"], "language": "en"},
    }
}


def change(table: str, pk: int, row: dict[str, Any] | None, at: int | None = None, **more: Any) -> RowChange:
    return RowChange(f"shop.{table}", str(pk), row, None if at is None else SourcePosition((at,)), **more)


@dataclass
class Served:
    """Documents as a catalog would hold them after all changes so far."""

    mapper: RowMapper
    rows: MemoryRows

    def __post_init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def apply(self, *events: RowEvent) -> None:
        for result in self.mapper.apply(events):
            if isinstance(result, Deletion):
                self.documents.pop(result.key, None)
            else:
                self.documents[result.key] = result
        self.rows.write(self.mapper.drain())

    @property
    def texts(self) -> dict[str, tuple[str, str, tuple[str, ...] | None, str]]:
        return {key: (d.title, d.text, d.acl, str(dict(d.metadata))) for key, d in self.documents.items()}


def served(mapping: TablesMapping | None = None) -> Served:
    rows = MemoryRows()
    return Served(RowMapper(mapping or parse_mapping(SHOP), rows), rows)


PRODUCT = {"id": 1, "code": "AX-1", "name": "Drive", "category_id": 7, "price": Decimal("12.50"), "groups": "a, b"}


def test_a_row_becomes_a_document_with_its_joined_rows() -> None:
    shop = served()
    shop.apply(
        change("areas", 3, {"id": 3, "name": "Motion"}),
        change("products", 1, PRODUCT, 5),
        change("categories", 7, {"id": 7, "name": "Servo", "area_id": 3}),
        change("reviews", 10, {"id": 10, "product_id": 1, "author": "Li", "words": "很好"}),
        change("reviews", 9, {"id": 9, "product_id": 1, "author": "Ann", "words": "fine"}),
    )
    document = shop.documents["shop.products/1"]
    assert document.title == "AX-1 Drive"
    assert document.text == "Drive\nCategory: Servo in Motion\nAnn: fine\nLi: 很好"
    assert document.metadata == {"price": 12.5, "category": "Servo", "authors": ["Ann", "Li"]}
    assert document.acl == ("a", "b")
    assert document.uri == "https://shop.example/AX-1"
    assert document.table == "shop.products"
    assert document.position == SourcePosition((5,))
    assert shop.documents["shop.categories/7"].acl == ("staff",)
    assert shop.documents["shop.categories/7"].language == "en"


def test_a_line_without_any_value_is_left_out() -> None:
    shop = served()
    shop.apply(change("products", 1, {**PRODUCT, "category_id": None}))
    assert shop.documents["shop.products/1"].text == "Drive"


def test_a_change_two_joins_away_renders_the_document_again() -> None:
    shop = served()
    shop.apply(
        change("products", 1, PRODUCT, 9),
        change("categories", 7, {"id": 7, "name": "Servo", "area_id": 3}, 2),
        change("areas", 3, {"id": 3, "name": "Motion"}, 1),
    )
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    shop.apply(change("areas", 3, {"id": 3, "name": "Drives"}, 4, committed_at=moment))
    document = shop.documents["shop.products/1"]
    assert "in Drives" in document.text
    assert document.position == SourcePosition((9,)), "the document keeps its own row's position"
    assert document.committed_at == moment


def test_a_joined_row_that_moves_leaves_its_old_parent() -> None:
    shop = served()
    shop.apply(change("products", 1, PRODUCT), change("products", 2, {**PRODUCT, "id": 2}))
    review = {"id": 9, "product_id": 1, "author": "Ann", "words": "fine"}
    shop.apply(change("reviews", 9, review))
    shop.apply(change("reviews", 9, {**review, "product_id": 2}))
    assert "Ann" not in shop.documents["shop.products/1"].text
    assert "Ann" in shop.documents["shop.products/2"].text
    shop.apply(change("reviews", 9, None))
    assert "Ann" not in shop.documents["shop.products/2"].text


def test_a_late_update_does_not_revive_a_deleted_row() -> None:
    shop = served()
    shop.apply(change("products", 1, PRODUCT, 1), change("products", 1, None, 3), change("products", 1, PRODUCT, 2))
    assert shop.documents == {}
    shop.apply(change("products", 1, PRODUCT, 4))
    assert "shop.products/1" in shop.documents


def test_columns_not_sent_keep_their_stored_value() -> None:
    shop = served()
    shop.apply(change("products", 1, PRODUCT, 1))
    update = {**PRODUCT, "name": "?", "code": "AX-2"}
    shop.apply(change("products", 1, update, 2, unavailable=frozenset({"name"})))
    assert shop.documents["shop.products/1"].title == "AX-2 Drive"


def test_a_value_not_sent_is_filled_from_an_older_change_that_comes_late() -> None:
    shop = served()
    shop.apply(change("products", 1, {**PRODUCT, "code": "AX-2"}, 2, unavailable=frozenset({"name"})))
    shop.apply(change("products", 1, PRODUCT, 1))
    assert shop.documents["shop.products/1"].title == "AX-2 Drive"


def test_a_truncation_deletes_older_rows_and_renders_parents() -> None:
    shop = served()
    shop.apply(change("products", 1, PRODUCT, 1))
    shop.apply(change("reviews", 8, {"id": 8, "product_id": 1, "author": "Old", "words": "w"}, 2))
    shop.apply(change("reviews", 9, {"id": 9, "product_id": 1, "author": "New", "words": "w"}, 9))
    shop.apply(Truncation("shop.reviews", SourcePosition((5,))))
    assert "Old" not in shop.documents["shop.products/1"].text
    assert "New" in shop.documents["shop.products/1"].text
    shop.apply(Truncation("shop.products", SourcePosition((10,))))
    assert shop.documents == {}


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ("a,b", ("a", "b")),
        ("a; b", ("a", "b")),
        ('["hr team", "b"]', ("hr team", "b")),
        ("人事部，财务部、a；b", ("人事部", "财务部", "a", "b")),
        (["x", "y"], ("x", "y")),
        ([["a", "b"], [None, "c, d"]], ("a", "b", "c, d")),
        (["x", None], ("x",)),
        ("[null]", ()),
        ("[broken", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_an_acl_column_names_groups_and_one_that_says_nothing_means_nobody(value: Any, groups: tuple[str, ...]) -> None:
    shop = served()
    shop.apply(change("products", 1, {**PRODUCT, "groups": value}))
    assert shop.documents["shop.products/1"].acl == groups


def test_a_strict_mapper_names_an_unknown_column_with_the_known_ones() -> None:
    mapper = RowMapper(parse_mapping(SHOP), MemoryRows(), strict=True)
    with pytest.raises(MappingError, match=r"shop\.products has no column 'price' .* known columns: .*code"):
        mapper.apply([change("products", 1, {key: value for key, value in PRODUCT.items() if key != "price"})])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "tables is missing"),
        ([], "top level"),
        ({"tables": {"products": {"title": "a", "body": "b"}}}, "fit: tables.products: table 'products' has no schema"),
        (
            {"tables": {"p": {"title": "a", "body": "b", "include": {"q": {"table": "q", "on": {"a": "b"}}}}}},
            "tables.p: table 'p' has no schema.*; tables.p.include.q.table = 'q': table 'q' has no schema",
        ),
        ({"tables": {"s.p": {"title": "a"}}}, r"tables\.s\.p\.body is missing"),
        ({"tables": {"s.p": {"title": "a", "body": "b", "colour": 1}}}, "colour is not known"),
        ({"tables": {"s.p": {"title": "a", "body": "{b"}}}, "single '{'"),
        ({"tables": {"s.p": {"title": "a b", "body": "b"}}}, "'a b' is no column"),
        ({"tables": {"s.p": {"title": "a", "body": "{q.b}"}}}, "'q' is not included; included: none"),
        ({"tables": {"s.p": {"title": "a", "body": "b", "include": {"q": {"table": "s.q"}}}}}, "on is missing"),
    ],
)
def test_a_mapping_that_does_not_fit_says_where(content: Any, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        parse_mapping(content)


def test_yaml_reads_a_bare_on_as_true_and_is_understood() -> None:
    include = {"table": "s.q", True: {"id": "q_id"}}
    mapping = parse_mapping({"tables": {"s.p": {"title": "a", "body": "{q.b}", "include": {"q": include}}}})
    assert mapping.tables["s.p"].include["q"].on == (("id", "q_id"),)


def test_braces_are_doubled_to_be_written() -> None:
    assert Template.parse("{{x}} = {y}").render({"y": 1.0}) == "{x} = 1"


def test_columns_of_other_names_are_quoted() -> None:
    row: dict[str, Any] = {"Unit Price": 2.5, "价格(元)": 5, "a.b{c}": 7, "名称": "n"}
    row["order lines"] = [{"order-no": 1}, {"order-no": 2}]
    assert Template.parse('"Unit Price"').render(row) == "2.5"
    text = '"{名称}": {"Unit Price"}, { "价格(元)" }, {"a.b{c}"}, {"order lines"."order-no"} {{"x"}}'
    assert Template.parse(text).render(row) == '"n": 2.5, 5, 7, 1, 2 {"x"}'
    form = {"title": "名称", "body": "名称", "metadata": ["Unit Price", "名称"], "acl": "Unit Price"}
    with pytest.raises(MappingError, match="'Unit Price' is no column; .*\"Unit Price\""):
        parse_mapping({"tables": {"s.t": form}})
    quoted = form | {"metadata": ['"Unit Price"', "名称"], "acl": '"Unit Price"'}
    mapping = parse_mapping({"tables": {"s.t": quoted}})
    assert list(mapping.tables["s.t"].metadata) == ["Unit Price", "名称"]
    assert mapping.columns_of("s.t") == {"Unit Price", "名称"}


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), min_size=2, max_size=20, unique=True))
def test_different_composite_keys_stay_different(keys: list[tuple[str, str]]) -> None:
    assert len({key_text(key) for key in keys}) == len(keys)


def test_a_date_in_a_key_is_written_as_iso() -> None:
    assert key_text([date(2026, 1, 2), 5]) == "2026-01-02,5"


IDS = st.integers(1, 4)
ROWS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "products": st.fixed_dictionaries(
        {"code": st.just("c"), "name": st.sampled_from("xy"), "price": IDS, "groups": st.just("g"), "category_id": IDS}
    ),
    "categories": st.fixed_dictionaries({"name": st.sampled_from("AB"), "area_id": st.one_of(st.none(), IDS)}),
    "areas": st.fixed_dictionaries({"name": st.sampled_from("MN")}),
    "reviews": st.fixed_dictionaries(
        {"product_id": st.one_of(st.none(), IDS), "author": st.sampled_from("PQ"), "words": st.sampled_from("vw")}
    ),
}
CHANGES = st.lists(
    st.sampled_from(sorted(ROWS)).flatmap(
        lambda table: st.tuples(st.just(table), IDS, st.one_of(st.none(), ROWS[table], ROWS[table]))
    ),
    max_size=25,
)


def oracle(history: list[tuple[str, int, dict[str, Any] | None]]) -> dict[str, Any]:
    """What the documents must say, written by hand over the final rows in a plain dict."""
    final = {(table, pk): row for table, pk, row in history}
    tables = {t: {pk: row for (at, pk), row in final.items() if at == t and row} for t in ROWS}
    expected: dict[str, Any] = {}
    for pk, category in tables["categories"].items():
        expected[f"shop.categories/{pk}"] = (category["name"], category["name"], ("staff",), "{}")
    for pk, product in tables["products"].items():
        category = tables["categories"].get(product["category_id"])
        area = tables["areas"].get(category["area_id"]) if category else None
        reviews = [review for _, review in sorted(tables["reviews"].items()) if review["product_id"] == pk]
        lines = [product["name"]]
        lines += [f"Category: {category['name']} in {area['name'] if area else ''}"] if category else []
        lines += [f"{review['author']}: {review['words']}" for review in reviews]
        metadata = {
            "price": product["price"],
            "category": category["name"] if category else None,
            "authors": [review["author"] for review in reviews],
        }
        expected[f"shop.products/{pk}"] = (f"c {product['name']}", "\n".join(lines), ("g",), str(metadata))
    return expected


@settings(max_examples=150)
@given(history=CHANGES, seed=st.integers(0, 2**16), batch=st.integers(1, 7))
def test_any_order_and_redelivery_ends_in_the_same_documents(
    history: list[tuple[str, int, dict[str, Any] | None]], seed: int, batch: int
) -> None:
    events = [change(table, pk, row and {"id": pk, **row}, at) for at, (table, pk, row) in enumerate(history, start=1)]
    shuffled = events + random.Random(seed).choices(events, k=len(events) // 2) if events else []
    random.Random(seed).shuffle(shuffled)
    shop = served()
    for start in range(0, len(shuffled), batch):
        shop.apply(*shuffled[start : start + batch])
    assert shop.texts == oracle(history)

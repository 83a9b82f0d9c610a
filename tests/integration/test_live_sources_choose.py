"""Choosing what to map, before any source exists: the tables of a database, and what a mapping makes of its rows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import World, check_native_error, world
from live_world import PRODUCTS, mariadb, mariadb_database, postgres_database, query
from stack import StackOf

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]
TRACKS = {
    "Track": {
        "title": "Name",
        "body": "{Name} by {album.artist.Name} on {album.Title}",
        "metadata": {"price": "UnitPrice"},
        "include": {
            "album": {
                "table": "Album",
                "on": {"AlbumId": "AlbumId"},
                "include": {"artist": {"table": "Artist", "on": {"ArtistId": "ArtistId"}}},
            }
        },
    }
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("choose")) as opened:
        yield opened


@pytest.fixture(scope="module")
def northwind(stack_of: StackOf, data_dir_public: Path) -> Iterator[str]:
    with postgres_database(stack_of("postgres"), data_dir_public / "sql_northwind/northwind_postgresql.sql") as url:
        query(url, "ANALYZE")
        yield url


@pytest.fixture(scope="module")
def chinook(stack_of: StackOf, data_dir_public: Path) -> Iterator[str]:
    with mariadb_database(stack_of("mariadb"), data_dir_public / "sql_chinook/chinook_mysql.sql") as url:
        yield url


def test_tables_show_columns_keys_sizes_and_joins(served: World, northwind: str) -> None:
    answer = served.call("POST", "/v1/sources/tables", json={"url": northwind})
    assert answer.status_code == 200, answer.text
    tables = {table["name"]: table for table in answer.json()["tables"]}
    there = query(northwind, "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'public'")
    assert list(tables) == sorted(name for (name,) in there)
    details = tables["public.order_details"]
    assert details["primary_key"] == ["order_id", "product_id"]
    assert details["estimated_rows"] == query(northwind, "SELECT count(*) FROM order_details")[0][0]
    joins = {(join["alias"], join["table"], join["many"]): join["on"] for join in tables["public.products"]["includes"]}
    assert joins["categories", "public.categories", False] == {"category_id": "category_id"}
    assert joins["order_details", "public.order_details", True] == {"product_id": "product_id"}
    aliases = [join["alias"] for join in tables["public.employees"]["includes"]]
    assert len(aliases) == len(set(aliases)), "a table that refers to itself is joined under two names"


def test_a_preview_shows_documents_with_what_they_join(served: World, northwind: str) -> None:
    asked = {"url": northwind, "tables": PRODUCTS, "limit": 4}
    answer = served.call("POST", "/v1/sources/preview", json=asked)
    assert answer.status_code == 200, answer.text
    sql = """SELECT 'public.products/' || product_id, product_name,
                    product_name || ', ' || quantity_per_unit || E'\\nCategory: ' || category_name
             FROM products JOIN categories USING (category_id) ORDER BY product_id LIMIT 4"""
    assert answer.json()["errors"] == []
    shown = [(one["key"], one["title"], one["text"]) for one in answer.json()["documents"]]
    assert shown == query(northwind, sql)


def test_a_preview_of_a_mapping_that_does_not_fit_says_where(served: World, northwind: str) -> None:
    tables = copy.deepcopy(PRODUCTS)
    tables["public.products"]["include"]["category"]["on"] = {"category_id": "nowhere"}
    asked = {"url": northwind, "tables": tables}
    error = check_native_error(served.call("POST", "/v1/sources/preview", json=asked), 422, "invalid_mapping")
    assert "no column 'nowhere'" in error["message"]


def test_mariadb_is_chosen_from_in_the_same_way(served: World, chinook: str) -> None:
    database = chinook.rpartition("/")[2]
    tested = served.call("POST", "/v1/sources/test", json={"url": chinook, "tables": [f"{database}.Track"]}).json()
    assert tested["ok"], tested
    tables = served.call("POST", "/v1/sources/tables", json={"url": chinook}).json()["tables"]
    track = next(table for table in tables if table["name"] == f"{database}.Track")
    assert {"album", "genre", "mediatype"} <= {join["alias"] for join in track["includes"]}
    mapped = qualified(TRACKS, database)
    documents = served.call("POST", "/v1/sources/preview", json={"url": chinook, "tables": mapped, "limit": 3}).json()
    with mariadb(chinook) as cursor:
        cursor.execute(
            "SELECT concat(t.Name, ' by ', r.Name, ' on ', a.Title) FROM Track t JOIN Album a USING (AlbumId) "
            "JOIN Artist r USING (ArtistId) ORDER BY TrackId LIMIT 3"
        )
        expected = [text for (text,) in cursor.fetchall()]
    assert [one["text"] for one in documents["documents"]] == expected
    assert documents["documents"][0]["metadata"] == {"price": 0.99}


def qualified(tables: dict[str, object], database: str) -> dict[str, object]:
    """The same mapping with the database before each table's name."""

    def within(form: dict[str, object]) -> dict[str, object]:
        named = {"table": f"{database}.{form['table']}"} if "table" in form else {}
        joins = {alias: within(join) for alias, join in form.get("include", {}).items()}  # type: ignore[attr-defined]
        return {**form, **named, "include": joins}

    return {f"{database}.{name}": within(form) for name, form in tables.items()}  # type: ignore[arg-type]

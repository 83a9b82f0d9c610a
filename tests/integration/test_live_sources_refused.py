"""What cannot become a live source says why and how to mend it, and leaves nothing behind; no password is ever told."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from api_world import check_native_error, world
from live_world import PRODUCTS, LiveWorld, live_world, postgres_database, query, role
from stack import StackOf

from infra.stack.stack import Stack

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]
CLOSED = "127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture(scope="module")
def stack(stack_of: StackOf) -> Stack:
    return stack_of("postgres", "kafka", "connect")


@pytest.fixture(scope="module")
def served(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    with live_world(stack, tmp_path_factory.mktemp("refused")) as opened:
        yield opened


@pytest.fixture(scope="module")
def northwind(stack: Stack, data_dir_public: Path) -> Iterator[str]:
    with postgres_database(stack, data_dir_public / "sql_northwind" / "northwind_postgresql.sql") as url:
        query(url, "CREATE TABLE keyless (text text)")
        query(url, "CREATE VIEW named AS SELECT product_id, product_name FROM products")
        query(url, "CREATE TABLE sums (id int PRIMARY KEY, text text, double int GENERATED ALWAYS AS (2 * id) STORED)")
        yield url


def products(**changes: Any) -> dict[str, Any]:
    tables = copy.deepcopy(PRODUCTS)
    tables["public.products"] |= changes
    return tables


def one(table: str) -> dict[str, Any]:
    return {table: {"title": "text", "body": "text"}}


def netloc(url: str, to: str) -> str:
    return urlsplit(url)._replace(netloc=to).geturl()


REFUSED: dict[str, tuple[Callable[[str], str], dict[str, Any], int, tuple[str, ...]]] = {
    "wrong password": (lambda url: url.replace("@", "x@"), PRODUCTS, 422, ("password authentication failed",)),
    "unknown database": (lambda url: f"{url}x", PRODUCTS, 422, ("does not exist", "check user, password, database")),
    "nobody there": (lambda url: netloc(url, f"kb:pw@{CLOSED}"), PRODUCTS, 422, ("check host and port",)),
    "no such engine": (lambda url: url.replace("postgresql", "oracle"), PRODUCTS, 422, ("oracle://", "mariadb://")),
    "unknown table": (str, one("public.nowhere"), 422, ("table public.nowhere is not there", "public.products")),
    "unknown column": (str, products(title="nome"), 422, ("no column 'nome'", "product_name")),
    "no primary key": (str, one("public.keyless"), 422, ("without primary key", "ALTER TABLE")),
    "a view": (str, one("public.named"), 422, ("a view", "map the tables beneath it")),
    "unknown option": (lambda url: f"{url}?password=x", PRODUCTS, 422, ("option 'password'", "sslmode")),
    "generated": (str, {"public.sums": {"title": "text", "body": "{double}"}}, 422, ("double is generated", "the log")),
    "template": (str, products(body="{product_name"), 422, ("single '{'",)),
}  # fmt: skip


def test_generated_columns_are_told_and_those_of_no_mapping_do_not_matter(served: LiveWorld, northwind: str) -> None:
    found = served.call("POST", "/test", json={"url": northwind, "tables": ["public.sums"]}).json()
    assert found["ok"]
    (told,) = [finding for finding in found["findings"] if finding["severity"] == "warning"]
    assert (told["check"], told["found"]) == ("column public.sums.double", "generated, and not in the log")
    created = served.create("sums", northwind, one("public.sums"))
    assert created.status_code == 201, created.text
    served.delete("sums")


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why_and_leaves_nothing(served: LiveWorld, northwind: str, case: str) -> None:
    change, tables, status, words = REFUSED[case]
    before = served.footprint()
    error = check_native_error(served.create("shop", change(northwind), tables, collection="made-for-this"), status)
    assert all(word in error["message"] for word in words), error["message"]
    assert served.footprint() == before
    assert query(northwind, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []
    assert query(northwind, "SELECT pubname FROM pg_publication") == []


def test_missing_rights_are_told_with_the_statements_that_give_them(served: LiveWorld, northwind: str) -> None:
    """The statements of the connection test, run by an administrator, are all that it takes."""
    with role(northwind, "") as poor:
        tables = ["public.products", "public.categories"]
        for _ in range(4):  # a right may hide the lack of the next
            found = served.call("POST", "/test", json={"url": poor, "tables": tables}).json()
            if found["ok"]:
                break
            for finding in found["findings"]:
                if finding["severity"] == "error":
                    assert finding["sql"], finding
                    query(northwind, finding["sql"])
        assert found["ok"], found
        created = served.create("shop", poor)
        assert created.status_code == 201, created.text
        assert served.delete("shop").json()["leftovers"] == []
    query(northwind, "DROP PUBLICATION IF EXISTS kb")


def test_a_server_without_logical_log_says_which_setting(served: LiveWorld, fresh_postgres: str) -> None:
    url = fresh_postgres.replace("+psycopg", "")
    query(url, "CREATE TABLE notes (id int PRIMARY KEY, text text)")
    found = served.call("POST", "/test", json={"url": url}).json()
    (wrong,) = [finding for finding in found["findings"] if finding["severity"] == "error"]
    assert (wrong["check"], wrong["found"], wrong["expected"]) == ("wal_level", "replica", "logical")
    assert wrong["sql"] == "ALTER SYSTEM SET wal_level = logical;"
    error = check_native_error(served.create("notes", url, one("public.notes")), 422, "unreadable_source")
    assert "ALTER SYSTEM SET wal_level = logical;" in error["message"]


def test_a_database_that_cannot_be_reached_is_a_finding(served: LiveWorld, northwind: str) -> None:
    for url in (northwind.replace("@", "x@"), netloc(northwind, f"kb:pw@{CLOSED}")):
        found = served.call("POST", "/test", json={"url": url})
        assert found.status_code == 200, found.text
        assert found.json()["ok"] is False
        assert [finding["check"] for finding in found.json()["findings"]] == ["connection"]


def test_names_and_tables_are_taken_once(served: LiveWorld, northwind: str) -> None:
    assert served.create("shop", northwind).status_code == 201
    before = served.footprint()
    again = check_native_error(served.create("shop", northwind), 409, "conflict")
    assert "'shop' exists already" in again["message"]
    other = check_native_error(served.create("other", northwind), 409, "conflict")
    assert "public.products is mapped by source 'shop'" in other["message"]
    assert served.footprint() == before
    served.delete("shop")


@pytest.mark.parametrize("down", ["connect_url", "kafka_bootstrap_servers"])
def test_a_server_of_ours_that_is_down_is_named(stack: Stack, tmp_path: Path, northwind: str, down: str) -> None:
    address = f"http://{CLOSED}" if down == "connect_url" else CLOSED
    with live_world(stack, tmp_path, **{down: address}) as broken:
        error = check_native_error(broken.create("shop", northwind, collection="fresh"), 503, "outage")
        assert address in error["message"]
        assert f"KB_{down.upper()}" in error["message"]
        collections = broken.api.kb.catalog.collections.all()
        assert "fresh" not in {collection.name for collection in collections}
    assert query(northwind, "SELECT pubname FROM pg_publication") == []


def test_without_settings_the_error_names_them(tmp_path: Path, northwind: str) -> None:
    with world(tmp_path) as embedded:
        body = {"name": "shop", "collection": "docs", "url": northwind, "tables": PRODUCTS}
        error = check_native_error(embedded.call("POST", "/v1/sources", json=body), 422)
        assert "KB_CONNECT_URL" in error["message"]


def test_only_admins_come_near(served: LiveWorld, northwind: str) -> None:
    body = {"name": "shop", "collection": "docs", "url": northwind, "tables": PRODUCTS}
    for path, sent in (("", body), ("/test", {"url": northwind}), ("/tables", {"url": northwind})):
        check_native_error(served.call("POST", path, key="writer", json=sent), 403, "forbidden")
    check_native_error(served.call("POST", "", key="elsewhere", json=body), 404, "not_found")
    check_native_error(served.call("GET", "/shop?collection=docs", key="writer"), 403, "forbidden")


def test_the_password_is_nowhere(
    stack: Stack, tmp_path: Path, northwind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in answers, logs, audit, the catalog, or what Kafka Connect tells; nor when things go wrong."""
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    with role(northwind, "SUPERUSER") as url, live_world(stack, tmp_path) as served:
        written = str(urlsplit(url).password)
        forms = {written, written.replace("%2F", "/")}
        for answer in (
            served.call("POST", "/test", json={"url": url}),
            served.call("POST", "/tables", json={"url": url}),
            served.call("POST", "/preview", json={"url": url, "tables": PRODUCTS}),
            served.create("shop", url),
            served.create("shop", url),
            served.create("typo", url, products(title="nome")),
            served.create("gone", f"{url}x"),
            served.create("closed", url.replace(url.partition("@")[2].partition("/")[0], CLOSED)),
            served.call("POST", "", json={"name": "?", "url": url}),
            served.call("GET", "/shop?collection=docs"),
            served.call("GET", "?collection=docs"),
            served.call("POST", "/shop/pause?collection=docs"),
            served.call("GET", "/shop?collection=docs"),
            served.api.call("GET", "/v1/audit"),
            served.api.call("GET", "/openapi.json"),
            served.api.call("GET", "/metrics"),
        ):
            seen.append(answer.text)
        connect = stack.env()["KB_CONNECT_URL"]
        for path in ("/connectors?expand=info&expand=status", "/connectors"):
            seen.append(httpx.get(f"{connect}{path}", trust_env=False).text)
        database = [path.read_bytes() for path in tmp_path.rglob("catalog.db*")]
        assert served.delete("shop").json()["leftovers"] == []
    assert database
    for form in forms:
        assert not [text[:300] for text in seen if form in text]
        assert not [record.getMessage()[:300] for record in caplog.records if form in record.getMessage()]
        assert not [True for data in database if form.encode() in data]

"""Which statements in a connector's history of definitions take a table's place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.connect.schema_history import replaced_tables

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TABLES = ("shop.orders", "shop.a `b", "other.orders")


def record(ddl: str, *changes: dict[str, str], snapshot: str = "") -> dict[str, Any]:
    position = {"file": "binlog.000001", "pos": 4} | ({"snapshot": snapshot} if snapshot else {})
    at = round(AT.timestamp() * 1000)
    return {"position": position, "ts_ms": at, "databaseName": "shop", "ddl": ddl, "tableChanges": list(changes)}


def changed(table: str, kind: str = "ALTER", before: str = "") -> dict[str, str]:
    ids = {"type": kind, "id": '"shop"."' + table + '"'}
    return ids | ({"previousId": '"shop"."' + before + '"'} if before else {})


DROPPED = record("DROP TABLE IF EXISTS `orders`", changed("orders", "DROP"))
STATEMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "dropped": (DROPPED, {"shop.orders"}),
    "another one dropped": (record("DROP TABLE `items`", changed("items", "DROP")), set()),
    "dropped by the snapshot": (DROPPED | {"position": {"snapshot": "INITIAL"}}, set()),
    "renamed to": (record("rename table items to orders", changed("orders", before="items")), {"shop.orders"}),
    "renamed from": (record("rename table orders to items", changed("items", before="orders")), {"shop.orders"}),
    "altered to": (record("alter table items rename to orders", changed("orders")), {"shop.orders"}),
    "altered from": (record("ALTER TABLE `shop`.`a ``b` RENAME c", changed("c")), {"shop.a `b"}),
    "altered": (record("ALTER TABLE orders ADD COLUMN c int", changed("orders")), set()),
    "altered in its database": (record("alter online table `shop` . orders ADD c int", changed("orders")), set()),
    "replaced": (record("create or replace table other.orders (id int)"), {"other.orders"}),
    "replaced in its database": (record("CREATE OR REPLACE TABLE orders(id int)"), {"shop.orders"}),
    "created": (record("CREATE TABLE IF NOT EXISTS orders (id int)", changed("orders", "CREATE")), set()),
    "with its database": (record("DROP DATABASE IF EXISTS `shop`"), {"shop.orders", "shop.a `b"}),
    "nothing": ({"position": None, "ts_ms": 0}, set()),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_table_whose_place_was_taken_is_found(case: str) -> None:
    told, tables = STATEMENTS[case]
    assert replaced_tables([told], TABLES) == dict.fromkeys(tables, AT)


def at(place: int, told: dict[str, Any]) -> dict[str, Any]:
    return told | {"position": {"file": "binlog.000001", "pos": place}}


def test_a_table_that_is_read_again_keeps_its_place() -> None:
    created = record("CREATE TABLE `orders` (id int)", changed("orders", "CREATE"))
    read_again = [at(4, DROPPED), at(4, record("DROP TABLE `items`", changed("items", "DROP"))), at(4, created)]
    assert replaced_tables(read_again, TABLES) == {}
    made_anew = [at(4, DROPPED), at(9, created)]
    assert replaced_tables(made_anew, TABLES) == {"shop.orders": AT}
    assert replaced_tables(read_again + made_anew, TABLES) == {"shop.orders": AT}, "the next statement is at 4, too"
    assert replaced_tables([*made_anew, at(9, DROPPED), at(9, created)], TABLES) == {"shop.orders": AT}


def test_what_befell_a_table_before_it_was_read_is_of_no_concern() -> None:
    first = record("CREATE TABLE `items` (id int)", changed("items", "CREATE"), snapshot="INITIAL")
    renamed = at(4, record("ALTER TABLE items RENAME TO orders", changed("orders")))
    read = [at(9, DROPPED), at(9, record("CREATE TABLE `orders` (id int)", changed("orders", "CREATE")))]
    assert replaced_tables([first, renamed], TABLES) == {}
    assert replaced_tables([first, renamed, *read], TABLES) == {}
    assert replaced_tables([first, renamed, *read], ["shop.items"]) == {"shop.items": AT}
    assert replaced_tables([first, renamed, *read, at(9, DROPPED)], TABLES) == {"shop.orders": AT}
    assert replaced_tables([renamed, *read], TABLES) == {"shop.orders": AT}, "nobody knows since when it is read"

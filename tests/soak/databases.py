"""The two databases of the chaos test: Northwind in PostgreSQL, Chinook in MariaDB, and how rows become documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import sqlalchemy as sa
from pymysql.constants import CLIENT

from infra.stack.stack import Stack

NORTHWIND, CHINOOK = "northwind", "chinook"
# The random changes delete joined rows and change keys, which these would refuse.
UNBOUND = """
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE contype = 'f' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.name, one.conname);
  END LOOP;
END $$;
ALTER TABLE products ALTER product_name TYPE text;
ALTER TABLE orders ALTER ship_name TYPE text;
ALTER TABLE categories ALTER category_name TYPE text;
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that changes: its key, the column that carries the mark of subject and version, and a link to join by."""

    database: str
    name: str
    key: str
    text: str
    first_key: int  # beyond all keys of the data set; inserted and moved rows count on from it
    link: str = ""
    joined: bool = False  # only shown by other rows' documents
    others: Mapping[str, Any] = field(default_factory=dict)  # what an inserted row needs besides


TABLES = (
    Table(NORTHWIND, "products", "product_id", "product_name", 1_000, "category_id", others={"discontinued": 0}),
    Table(NORTHWIND, "orders", "order_id", "ship_name", 20_000, others={"customer_id": "ALFKI", "ship_city": "Bergen"}),
    Table(NORTHWIND, "categories", "category_id", "category_name", 0, joined=True),
    Table(CHINOOK, "Album", "AlbumId", "Title", 100_000, "ArtistId"),
    Table(
        CHINOOK, "Track", "TrackId", "Name", 100_000, "AlbumId",
        others={"MediaTypeId": 1, "Milliseconds": 1_000, "UnitPrice": "0.99"},
    ),
    Table(CHINOOK, "Artist", "ArtistId", "Name", 0, joined=True),
)  # fmt: skip
LINKED_KEYS = {"category_id": 8, "ArtistId": 40, "AlbumId": 40}  # links point at keys from 1 to this


def northwind_mapping() -> dict[str, Any]:
    """Products with category and supplier, orders with their customer."""
    category = {"table": "public.categories", "on": {"category_id": "category_id"}}
    supplier = {"table": "public.suppliers", "on": {"supplier_id": "supplier_id"}}
    customer = {"table": "public.customers", "on": {"customer_id": "customer_id"}}
    return {
        "public.products": {
            "title": "product_name",
            "body": "{product_name}, {unit_price}\nCategory: {category.category_name}\n{supplier.company_name}",
            "metadata": ["discontinued"],
            "include": {"category": category, "supplier": supplier},
        },
        "public.orders": {
            "title": "ship_name",
            "body": "{ship_name}, {ship_city}, {freight}\nCustomer: {customer.company_name}",
            "include": {"customer": customer},
        },
    }


def chinook_mapping(schema: str) -> dict[str, Any]:
    """Albums with their artist, tracks with their album."""
    artist = {"table": f"{schema}.Artist", "on": {"ArtistId": "ArtistId"}}
    album = {"table": f"{schema}.Album", "on": {"AlbumId": "AlbumId"}}
    return {
        f"{schema}.Album": {"title": "Title", "body": "{Title}\nArtist: {artist.Name}", "include": {"artist": artist}},
        f"{schema}.Track": {"title": "Name", "body": "{Name}, {UnitPrice}\n{album.Title}", "include": {"album": album}},
    }


def load_northwind(stack: Stack, data: Path) -> str:
    """URL of a new database with Northwind, its foreign keys removed."""
    url = urlsplit(stack.url("postgres"))._replace(scheme="postgresql")
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE northwind")
    mine = url._replace(path="/northwind").geturl()
    with psycopg.connect(mine, autocommit=True) as connection:
        connection.execute((data / "sql_northwind" / "northwind_postgresql.sql").read_bytes())
        connection.execute("SET search_path TO public")
        connection.execute(UNBOUND.encode())
    return mine


def load_chinook(stack: Stack, data: Path) -> str:
    """URL of a new database with Chinook."""
    url = urlsplit(stack.url("mariadb"))._replace(scheme="mariadb", path="/chinook")
    lines = (data / "sql_chinook" / "chinook_mysql.sql").read_text("utf-8").splitlines()
    script = "\n".join(line for line in lines if not line.startswith(("CREATE DATABASE", "DROP DATABASE", "USE ")))
    connection = pymysql.connect(
        host=url.hostname, port=url.port or 3306, user=url.username, password=url.password or "",
        autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS,
    )  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE chinook; USE chinook; {script}")
            while cursor.nextset():
                pass
    finally:
        connection.close()
    return url.geturl()


def engine_of(url: str) -> sa.Engine:
    """An engine without a pool, so that a server's crash leaves no dead connection behind."""
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        return sa.create_engine(f"postgresql+psycopg{url[len('postgresql') :]}", poolclass=sa.NullPool)
    engine = sa.create_engine(f"mariadb+pymysql{url[len('mariadb') :]}", poolclass=sa.NullPool)

    def unbind(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")

    sa.event.listen(engine, "connect", unbind)
    return engine

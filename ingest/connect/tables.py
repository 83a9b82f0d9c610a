"""The tables of a database as a person chooses from them: columns, keys, sizes, and what could be joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine.interfaces import ReflectedColumn

from ingest.connect.address import CONNECT_SECONDS, STATEMENT_SECONDS, DatabaseAddress
from ingest.errors import MappingError, SourceError, SourceOutageError
from ingest.sources.sql_tables import keyed_table, know_geometries
from ingest.table_mapping import TablesMapping

_SYSTEM = {
    "postgresql": {"information_schema", "pg_catalog"},
    "mysql": {"information_schema", "performance_schema", "mysql", "sys"},
    "mariadb": {"information_schema", "performance_schema", "mysql", "sys"},
}
_ESTIMATES = {
    "postgresql": "SELECT n.nspname, c.relname, c.reltuples::bigint FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')",
    "mysql": "SELECT table_schema, table_name, table_rows FROM information_schema.tables",
    "mariadb": "SELECT table_schema, table_name, table_rows FROM information_schema.tables",
}


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column."""

    name: str
    type: str  # as SQLAlchemy names it
    nullable: bool


@dataclass(frozen=True, slots=True)
class SuggestedInclude:
    """A join that a foreign key suggests, as a mapping would write it under `alias`."""

    alias: str
    table: str
    on: Mapping[str, str]  # joined column: own column
    many: bool


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table."""

    name: str  # schema.table
    columns: Sequence[ColumnInfo]
    primary_key: Sequence[str]
    estimated_rows: int | None
    includes: Sequence[SuggestedInclude] = ()


def list_tables(address: DatabaseAddress) -> list[TableInfo]:
    """Every table that the user may see, by name. Raises `SourceError`, `SourceOutageError`."""
    with reading(address) as connection:
        inspector = sa.inspect(connection)
        schemas = [name for name in inspector.get_schema_names() if name not in _SYSTEM[address.engine]]
        if address.engine != "postgresql":
            schemas = [name for name in schemas if name == address.database]
        estimates = _estimates(connection, address.engine)
        found = [info for schema in schemas for info in _tables_of(inspector, schema, estimates)]
        return sorted(_with_includes(inspector, found), key=lambda info: info.name)


def unneeded_columns(address: DatabaseAddress, mapping: TablesMapping) -> list[str]:
    """`schema.table.column` of each column that is there, is not part of a key, and that the mapping does not name.

    Raises `MappingError` for a table or column that the mapping names and that does not exist.
    """
    found: list[str] = []
    with reading(address) as connection:
        inspector = sa.inspect(connection)
        for table in sorted(mapping.all_tables):
            columns = [column.name for column in _columns(inspector, table)]
            mapping.check_columns(table, columns)
            needed = mapping.columns_of(table) | set(_primary_key(inspector, table))
            found += [f"{table}.{column}" for column in columns if column not in needed]
    return found


@contextmanager
def reading(address: DatabaseAddress) -> Iterator[sa.Connection]:
    """A connection for reading, with time-outs; failures carry no password.

    Each statement is a transaction of its own: it sees what is committed by then, and no lock outlives it. Values are
    those that a live source's log has.
    """
    engine = sa.create_engine(
        address.sqlalchemy(),
        connect_args=_connect_args(address),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
    )
    know_geometries(engine.dialect)
    try:
        with engine.connect() as connection:
            if address.engine == "postgresql":
                from ingest.sources.postgres_log_values import read_as_logged
                from ingest.sources.postgres_values import keep_odd_values

                keep_odd_values(connection)
                read_as_logged(connection)
            yield connection
    except exc.OperationalError as error:
        raise SourceOutageError(
            f"database {address.shown} does not serve us: {reason(address, error)}; retry later"
        ) from None
    except exc.SQLAlchemyError as error:
        raise SourceError(
            f"database {address.shown} cannot be read: {reason(address, error)}; check the user's rights"
        ) from None
    finally:
        engine.dispose()


def reflected(connection: sa.Connection, name: str) -> sa.Table:
    """The table `schema.table` as it is there. Raises `MappingError` where it is not, or has no primary key."""
    try:
        found = keyed_table(connection, name)
    except exc.NoSuchTableError:
        raise MappingError(f"table {name} does not exist, or the user may not see it") from None
    if connection.dialect.name == "postgresql":
        from ingest.sources.postgres_log_values import logged_type

        for column in found.columns:
            column.type = logged_type(column)
    return found


def reason(address: DatabaseAddress, error: exc.SQLAlchemyError) -> str:
    """The driver's words, one line, without the password."""
    lines = str(getattr(error, "orig", None) or error).splitlines() or ["unknown"]
    return address.scrub(lines[0])


def _connect_args(address: DatabaseAddress) -> dict[str, object]:
    if address.engine == "postgresql":
        from ingest.sources.postgres_log_values import OPTIONS

        options = f"-c statement_timeout={STATEMENT_SECONDS}s -c default_transaction_read_only=on {OPTIONS}"
        return {"connect_timeout": CONNECT_SECONDS, "options": options}
    from ingest.connect.mysql import ssl_arguments

    timeouts = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": STATEMENT_SECONDS,
        "write_timeout": STATEMENT_SECONDS,
    }
    return timeouts | ssl_arguments(address)


def _estimates(connection: sa.Connection, engine: str) -> dict[str, int]:
    rows = connection.exec_driver_sql(_ESTIMATES[engine])
    return {f"{schema}.{table}": int(count) for schema, table, count in rows if count is not None and count >= 0}


def _tables_of(inspector: sa.Inspector, schema: str, estimates: Mapping[str, int]) -> Iterator[TableInfo]:
    keys = inspector.get_multi_pk_constraint(schema=schema)
    for (_, table), columns in inspector.get_multi_columns(schema=schema).items():
        name = f"{schema}.{table}"
        primary = keys.get((schema, table))
        primary_columns = primary["constrained_columns"] if primary else []
        yield TableInfo(name, _described(columns), primary_columns, estimates.get(name))


def _with_includes(inspector: sa.Inspector, tables: Sequence[TableInfo]) -> list[TableInfo]:
    """Foreign keys, seen from both of their ends."""
    joins: dict[str, list[SuggestedInclude]] = {info.name: [] for info in tables}
    for schema in {info.name.partition(".")[0] for info in tables}:
        for (_, table), keys in inspector.get_multi_foreign_keys(schema=schema).items():
            own = f"{schema}.{table}"
            for key in keys:
                other = f"{key['referred_schema'] or schema}.{key['referred_table']}"
                pairs = dict(zip(key["referred_columns"], key["constrained_columns"], strict=True))
                if own in joins and other in joins:
                    joins[own].append(SuggestedInclude(key["referred_table"], other, pairs, many=False))
                    back = {theirs: mine for mine, theirs in pairs.items()}
                    joins[other].append(SuggestedInclude(table, own, back, many=True))
    return [
        TableInfo(info.name, info.columns, info.primary_key, info.estimated_rows, _distinct(joins[info.name]))
        for info in tables
    ]


def _distinct(joins: Sequence[SuggestedInclude]) -> list[SuggestedInclude]:
    """Two keys to one table get aliases of their own."""
    taken: set[str] = set()
    named = []
    for join in joins:
        alias = join.alias.lower()
        if alias in taken:
            alias = f"{alias}_{'_'.join(join.on.values())}".lower()
        taken.add(alias)
        named.append(SuggestedInclude(alias, join.table, join.on, join.many))
    return named


def _columns(inspector: sa.Inspector, name: str) -> list[ColumnInfo]:
    schema, _, table = name.partition(".")
    try:
        columns = inspector.get_columns(table, schema=schema)
    except exc.NoSuchTableError:
        columns = []
    if not columns:
        schemas = inspector.get_schema_names()
        known = [f"{schema}.{other}" for other in inspector.get_table_names(schema)] if schema in schemas else []
        there = ", ".join(sorted(known)[:20]) or f"schemas {', '.join(schemas)}"
        raise MappingError(f"table {name} does not exist, or the user may not see it; there are: {there}")
    return _described(columns)


def _described(columns: Sequence[ReflectedColumn]) -> list[ColumnInfo]:
    return [ColumnInfo(column["name"], str(column["type"]), bool(column["nullable"])) for column in columns]


def _primary_key(inspector: sa.Inspector, name: str) -> list[str]:
    schema, _, table = name.partition(".")
    return list(inspector.get_pk_constraint(table, schema=schema).get("constrained_columns") or [])

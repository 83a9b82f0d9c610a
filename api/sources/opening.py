"""From what a person names, a path or an address, to the source that reads it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import orjson

from api.knowledge_base import KnowledgeBase
from api.sources.names import check_tables_free
from ingest.contracts import SOURCES, Source
from ingest.errors import SourceError
from ingest.pipeline import RowRenderer
from ingest.row_values import link_value
from ingest.sources.lines import read_lines
from ingest.sources.readers import Readers
from ingest.table_mapping import TablesMapping
from retrieval.catalog.row_upkeep import TableUse
from retrieval.catalog.sources import SourceRecord

if TYPE_CHECKING:
    from ingest.sources.files import FileSource
    from ingest.sources.jsonl import JsonlSource

AUTO = "auto"
_OURS = ("files", "jsonl", "debezium", "sql")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://")
_FILE = "file://"
_WEB = ("http://", "https://", "ftp://")
_JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """A source and, where it yields rows, what turns them into documents."""

    source: Source
    rows: RowRenderer | None = None


def open_source(
    kb: KnowledgeBase,
    collection: str,
    what: str,
    name: str = "",
    kind: str = AUTO,
    mapping: Path | None = None,
    mirror: bool | None = None,
    acl: list[str] | None = None,
    prefix: str | None = None,
) -> OpenedSource:
    """The source for a path or address. Raises `SourceError`, `MappingError` when it cannot be.

    `acl` and `prefix` None: as last time.
    """
    if kind != AUTO and kind not in SOURCES:
        known = ", ".join((AUTO, *(entry.name for entry in SOURCES)))
        raise SourceError(f"format {kind!r} is unknown; expected one of {known}")
    if kind != AUTO and kind not in _OURS:
        return _third_party(kind, what, name, {"mapping": mapping, "mirror": mirror, "acl": acl, "prefix": prefix})
    what = _path(what)
    chosen = _detect(what) if kind == AUTO else kind
    groups = None if acl is None else tuple(acl)
    if chosen in ("sql", "debezium"):
        if groups is not None:
            raise SourceError(
                f"{what} holds rows of tables; say in the mapping, with acl, who may read them, not by --acl"
            )
        if prefix:
            raise SourceError(f"{what} holds rows of tables, whose keys are table and primary key; leave out --prefix")
        return _rows_source(kb, collection, what, name, chosen, mapping, mirror)
    if chosen == "jsonl":
        from ingest.sources.jsonl import JsonlSource

        lines = JsonlSource(what, name, mirror=bool(mirror), acl=groups)
        _remember(kb, collection, lines, prefix)
        return OpenedSource(lines)
    from ingest.sources.files import FileSource

    source = FileSource(what, name, mirror=mirror, acl=groups, ocr=kb.settings.reads_pictures)
    _remember(kb, collection, source, prefix)
    found = kb.catalog.collections.get(collection)
    source.look_again(
        kb.catalog.sources.failed_keys(found, source.name), lambda: kb.catalog.documents.keys(found, source.name)
    )
    return OpenedSource(source)


def _third_party(kind: str, what: str, name: str, options: dict[str, Any]) -> OpenedSource:
    """A source of a package, which yields documents: rights, keys and what is gone are its own matter."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise SourceError(f"a source of format {kind!r} says itself what its documents are; leave out --{given[0]}")
    return OpenedSource(SOURCES.create(kind, what, name))


def _remember(kb: KnowledgeBase, collection: str, source: FileSource | JsonlSource, prefix: str | None) -> None:
    """Tell the source what earlier runs said: the prefix of its keys, and who may read it.

    What this run says is kept though it ends early.
    """
    record = kb.catalog.sources.register(kb.catalog.collections.get(collection), source.name, source.kind)
    said = record.config
    source.prefix = said.get("prefix", "") if prefix is None else prefix
    stored = Readers.from_json(said["readers"], source.prefix) if "readers" in said else None
    readers = source.remember(stored, record.cursor)
    # Files as earlier versions kept them, by keys with the prefix, are stored anew while that prefix is known.
    is_news = readers != (stored or Readers()) or "apart" in said.get("readers", {})
    config = said | ({"readers": readers.to_json()} if is_news else {})
    config |= {"prefix": source.prefix} if source.prefix or "prefix" in said else {}
    if config != said:
        kb.catalog.sources.change(record, config=config, cursor=source.cursor_for(readers, record.cursor))


def _rows_source(
    kb: KnowledgeBase,
    collection: str,
    what: str,
    name: str,
    kind: str,
    mapping_file: Path | None,
    mirror: bool | None,
) -> OpenedSource:
    from ingest.row_mapper import RowMapper
    from ingest.sources.debezium import DebeziumFileSource
    from ingest.sources.sql import SqlSource
    from ingest.table_mapping import load_mapping

    if mapping_file is None:
        raise SourceError(f"{what} holds rows of tables; say with --mapping FILE.yaml how they become documents")
    if kind == "debezium" and mirror is not None:
        raise SourceError(f"{what} holds change events, which say themselves what is deleted; leave out --[no-]mirror")
    mapping = load_mapping(mapping_file)
    source: Source
    if kind == "sql":
        source = database = SqlSource(what, mapping, name, mirror=mirror is not False)
        database.check()  # before it takes its tables: a mistyped address would hold them
    else:
        source = DebeziumFileSource(what, name)
    found = kb.catalog.collections.get(collection)
    check_tables_free(kb, found, mapping, source.name, source.kind)
    record = kb.catalog.sources.register(found, source.name, source.kind)
    if record.config.get("joins") != (joins := _joins(mapping)):  # so that the graph knows which rows belong together
        record = kb.catalog.sources.change(record, config=record.config | {"joins": joins})
    if kind == "debezium":
        record = _read_anew_if_mapped_anew(kb, record, mapping, mapping_file)
    return OpenedSource(source, RowMapper(mapping, kb.catalog.sources.rows(record), strict=True))


def _read_anew_if_mapped_anew(
    kb: KnowledgeBase, record: SourceRecord, mapping: TablesMapping, mapping_file: Path
) -> SourceRecord:
    """Under another mapping than last time, events are read from the beginning: equal positions are applied again."""
    digest = hashlib.sha256(mapping_file.read_bytes()).hexdigest()
    if record.config.get("mapping_digest") == digest:
        return record
    if record.cursor is not None:  # what is stored of rows must be found by the new joins before the first is rendered
        uses = {table: TableUse(mapping.link_columns(table), True, False) for table in mapping.all_tables}
        kb.catalog.sources.refit(record, uses, link_value)
    return kb.catalog.sources.change(record, config=record.config | {"mapping_digest": digest}, cursor=None)


def _joins(mapping: TablesMapping) -> dict[str, Any]:
    """What the mapping joins to its tables, in the form of a mapping."""
    return {
        name: {"include": {alias: {"table": one.table, "on": dict(one.on)} for alias, one in table.include.items()}}
        for name, table in mapping.tables.items()
    }


def _path(what: str) -> str:
    """The path that a file URL stands for; anything else as it is."""
    return os.fsdecode(unquote_to_bytes(what.removeprefix(_FILE))) if what.startswith(_FILE) else what


def _detect(what: str) -> str:
    if what.startswith(_WEB):
        raise SourceError(f"{what} is a web address, and these are not fetched; download it and name the file")
    if what == "-":
        raise SourceError("standard input is not read here; write it to a file and name that")
    if _ADDRESS.match(what):
        return "sql"
    path = Path(what)
    if not path.exists():
        raise SourceError(f"{what} does not exist; name a file, a folder or a database URL such as postgresql://…")
    if path.is_file() and path.name.lower().endswith(_JSON_LINES):
        lines = read_lines(path)
        return "debezium" if _is_event(next((line.data for line in lines if line.data.strip()), b"")) else "jsonl"
    return "files"


def _is_event(line: bytes) -> bool:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(value, dict) or "id" in value or "_id" in value:
        return False
    return bool({"payload", "op", "value"} & value.keys())

"""`kb sources`: connect live databases, watch them, read them again, remove them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, table_of
from api.sources.live_sources import LiveSources
from api.sources.source_view import source_view
from api.sources.status import StatusReader
from infra.wording import counted
from ingest.errors import MappingError
from ingest.mapping_form import read_form
from retrieval.catalog.sources import SourceRecord

app = typer.Typer(help="Live databases: connect, watch, read again, remove.", no_args_is_help=True)

Url = Annotated[
    str, typer.Argument(help="postgresql://, mysql:// or mariadb:// with the password; - reads it from stdin.")
]
Name = Annotated[str, typer.Argument(help="Name of the source.")]
MappingFile = Annotated[Path, typer.Option("--mapping", "-m", help="YAML or JSON: how rows of tables are documents.")]
TableOption = Annotated[list[str] | None, typer.Option("--table", "-t", help="schema.table; repeat for more.")]


class Documents(StrEnum):
    """What becomes of a deleted source's documents."""

    DELETE = "delete"
    KEEP = "keep"


@app.command()
def test(url: Url, table: TableOption = None, as_json: AsJson = False) -> None:
    """Whether a source could stream from there, and the SQL that mends what is missing. Exit status 1 where not."""
    with knowledge_base() as kb:
        found = LiveSources(kb).test(_given(url), table or ())
    if as_json:
        print_json({"ok": found.ok, **asdict(found)})
    else:
        for finding in found.findings:
            colour = {"ok": "green", "warning": "yellow"}.get(finding.severity, "red")
            out.print(f"[{colour}]{finding.severity:<8}[/]", end="")
            out.print(finding.text, markup=False)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def tables(url: Url, as_json: AsJson = False) -> None:
    """The tables there: columns, keys, sizes, and the joins that foreign keys suggest."""
    with knowledge_base() as kb:
        found = LiveSources(kb).tables(_given(url))
    if as_json:
        print_json({"tables": [asdict(one) for one in found]})
        return
    shown = table_of("table", "rows", "primary key", "columns", "joins")
    for one in found:
        columns = ", ".join(column.name for column in one.columns)
        joins = ", ".join(f"{join.alias}{'*' if join.many else ''}" for join in one.includes)
        rows = "?" if one.estimated_rows is None else f"~{one.estimated_rows}"
        shown.add_row(one.name, rows, ", ".join(one.primary_key), columns, joins)
    out.print(shown)


@app.command()
def preview(
    url: Url,
    mapping: MappingFile,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Rows of each mapped table.")] = 3,
    as_json: AsJson = False,
) -> None:
    """The documents that a mapping makes of the first rows, with the rows they join."""
    with knowledge_base() as kb:
        found = LiveSources(kb).preview(_given(url), _forms(mapping), limit)
    if as_json:
        shown = ("key", "title", "text", "language", "metadata", "acl", "uri")
        documents = [{name: getattr(document, name) for name in shown} for document in found.documents]
        print_json({"documents": documents, "errors": [asdict(problem) for problem in found.problems]})
        return
    for document in found.documents:
        out.print(f"{document.key}  {document.title}", style="bold", markup=False)
        out.print(document.text, markup=False)
        readers = "the collection's default" if document.acl is None else ", ".join(document.acl) or "nobody"
        out.print(f"metadata {dict(document.metadata)}, readable by {readers}\n", style="dim", markup=False)
    for problem in found.problems:
        out.print(f"{problem.table} {problem.key or ''}: {problem.message}", style="red", markup=False)


@app.command()
def add(
    name: Name, url: Url, mapping: MappingFile, collection: CollectionOption = "default", as_json: AsJson = False
) -> None:
    """Follow a database from now on; `kb worker` brings what it streams into the collection."""
    with knowledge_base() as kb:
        record = LiveSources(kb).create(collection, name, _given(url), _forms(mapping))
        kb.catalog.audit.record("operator", "sources.add", f"{collection}/{name}")
    _told(as_json, record, collection, "streams; `kb worker` brings it into the collection")


@app.command("list")
def list_sources(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Every source of a collection."""
    with knowledge_base() as kb:
        found = kb.catalog.sources.all(kb.catalog.collections.get(collection))
    if as_json:
        fields = ("name", "kind", "state", "updated_at")
        print_json({"sources": [{field: getattr(one, field) for field in fields} for one in found]})
        return
    shown = table_of("name", "kind", "state", "changed")
    for one in found:
        shown.add_row(one.name, one.kind, one.state.value, f"{one.updated_at:%Y-%m-%d %H:%M}")
    out.print(shown)


@app.command()
def show(name: Name, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """A live source: connector, snapshot, lag, and what needs a person."""
    with _source(collection, name) as (live, record, kb):
        status = source_view(record, collection) | StatusReader(kb).read(record).to_dict()
    if as_json:
        print_json(status)
        return
    out.print(f"{name}  {status['state']}  {status['url']}", style="bold", markup=False)
    connector, lag = status["connector"], status["lag"]
    out.print(f"connector {connector['state']}, task {connector['task_state']}; snapshot {status['snapshot']['state']}")
    out.print(f"lag {counted(lag['events'], 'event')}, {lag['seconds']} s; dead letters {status['dead_letters']}")
    for problem in status["problems"]:
        out.print(problem, style="red", markup=False)
    for notice in status["notices"][:10]:
        out.print(f"{notice['at']:%Y-%m-%d %H:%M} {notice['table']}: {notice['message']}", style="yellow", markup=False)


@app.command()
def pause(name: Name, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Let it rest; the database keeps its log for it meanwhile, so not for ever."""
    with _source(collection, name, "pause") as (live, record, _):
        changed = live.pause(record)
    _told(as_json, changed, collection, "is paused; go on by `kb sources resume`")


@app.command()
def resume(name: Name, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Go on where it was paused."""
    with _source(collection, name, "resume") as (live, record, _):
        changed = live.resume(record)
    _told(as_json, changed, collection, "streams again")


@app.command()
def restart(name: Name, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Start its connector again, after what made it fail was mended."""
    with _source(collection, name, "restart") as (live, record, _):
        changed = live.restart(record)
    _told(as_json, changed, collection, "starts again")


@app.command()
def snapshot(
    name: Name,
    table: TableOption = None,
    full: Annotated[bool, typer.Option("--full", help="Begin anew, as after a restored backup.")] = False,
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Read tables again, all where none is named."""
    with _source(collection, name, "snapshot") as (live, record, _):
        asked = live.snapshot(record, table, full=full)
    if as_json:
        print_json(asdict(asked))
    else:
        out.print(f"reading {', '.join(asked.tables)} again ({asked.kind}); see `kb sources show {name}`", markup=False)


@app.command()
def change(
    name: Name,
    mapping: Annotated[Path | None, typer.Option("--mapping", "-m", help="The new mapping.")] = None,
    url: Annotated[str | None, typer.Option(help="The new address, such as with another password; - is stdin.")] = None,
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Another mapping, host or password; what is shown differently is read again."""
    forms = None if mapping is None else _forms(mapping)
    with _source(collection, name, "change") as (live, record, _):
        changed = live.change(record, forms, None if url is None else _given(url))
    _told(as_json, changed, collection, "is changed")


@app.command()
def delete(
    name: Name,
    documents: Annotated[Documents, typer.Option(help="What becomes of its documents.")] = Documents.DELETE,
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Remove a source with what it holds at the servers. Exit status 1 where something had to be left."""
    with knowledge_base() as kb:
        record = kb.catalog.sources.get(kb.catalog.collections.get(collection), name)
        done = LiveSources(kb).delete(record, documents.value)
        kb.catalog.audit.record("operator", "sources.delete", f"{collection}/{name}")
    if as_json:
        print_json(done.to_dict())
    else:
        out.print(f"source {name} is deleted, and {counted(done.documents, 'document')}", markup=False)
        for left in done.leftovers:
            out.print(f"left behind: {left.what} ({left.why}); run: {left.sql}", style="red", markup=False)
    raise typer.Exit(1 if done.leftovers else 0)


@contextmanager
def _source(collection: str, name: str, act: str = "") -> Iterator[tuple[LiveSources, SourceRecord, Any]]:
    """The service, the source and the knowledge base; an act is noted when it is done."""
    with knowledge_base() as kb:
        live = LiveSources(kb)
        yield live, live.get(kb.catalog.collections.get(collection), name), kb
        if act:
            kb.catalog.audit.record("operator", f"sources.{act}", f"{collection}/{name}")


def _told(as_json: bool, record: SourceRecord, collection: str, what: str) -> None:
    if as_json:
        print_json(source_view(record, collection))
    else:
        out.print(f"source {record.name} of {collection} {what}", markup=False)


def _given(url: str) -> str:
    """The argument, or the first line of standard input, where no shell history keeps it."""
    return sys.stdin.readline().strip() if url == "-" else url


def _forms(path: Path) -> dict[str, Any]:
    """The tables of a mapping file. Raises `MappingError`."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"mapping file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"mapping file {path} is not YAML: {error}") from error
    form = read_form(content)
    return {name: table.model_dump(exclude_defaults=True) for name, table in form.tables.items()}

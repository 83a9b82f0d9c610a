"""`kb ingest`: files, folders, JSON lines, change events and databases into a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.shared import (
    EXIT_INTERRUPTED,
    AsJson,
    CollectionOption,
    advance,
    err,
    knowledge_base,
    out,
    print_json,
    progress_bar,
)
from api.knowledge_base import KnowledgeBase
from api.quality.encoder_fit import EncoderFit, encoder_fit
from api.sources.opening import open_source
from infra.wording import counted
from ingest.changes import Failure
from ingest.report import IngestReport
from retrieval.catalog import Outcome

FAILURES_SHOWN = 10
GROUPS_SHOWN = 20  # of duplicates


def ingest(
    what: Annotated[str, typer.Argument(help="A file, a folder, or a database URL.", metavar="PATH|URL")],
    collection: CollectionOption = "default",
    source: Annotated[str, typer.Option(help="Name of the source; default: made from what is ingested.")] = "",
    kind: Annotated[str, typer.Option("--format", help="auto, files, jsonl, debezium, sql, or a package's.")] = "auto",
    mapping: Annotated[Path | None, typer.Option(help="YAML: tables to documents; for databases and events.")] = None,
    mirror: Annotated[
        bool | None, typer.Option(help="Delete what the source no longer has; default: folders and databases do.")
    ] = None,
    allow_mass_deletion: Annotated[
        bool, typer.Option(help="Carry out deletions even when most of a source vanished.")
    ] = False,
    acl: Annotated[
        list[str] | None,
        typer.Option(help="Group that may read these documents; repeat for more. Default: as last time."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Put before each document's key, such as hr/, to tell equal names of two folders apart. "
            "Default: as last time."
        ),
    ] = None,
    find_duplicates: Annotated[
        bool, typer.Option(help="Report documents with the same or nearly the same text; none is dropped.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 if anything could not be read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring documents into a collection. What did not change since the last time costs next to nothing.

    Exit status 1 if nothing but failures came of it.
    """
    with knowledge_base() as kb, _made_for_it(kb, collection):
        opened = open_source(kb, collection, what, source, kind, mapping, mirror, acl, prefix)
        # an address may hold a password, and what is shown may be kept in a log
        with progress_bar(f"ingesting {opened.source.name if opened.rows else what}") as progress:
            report = kb.ingest(
                collection,
                opened.source,
                rows=opened.rows,
                allow_mass_deletion=allow_mass_deletion,
                find_duplicates=find_duplicates,
                progress=lambda count: advance(progress, count),
            )
        fit = encoder_fit(kb, collection) if report.embedded and not as_json else None
    if as_json:
        print_json(report.to_dict() | {"collection": collection, "source": opened.source.name})
    else:
        show_report(report, collection, opened.source.kind)
    if fit is not None and fit.is_lost:
        err.print(_lost(fit, collection))
    if report.failed and (strict or not report.documents):
        raise typer.Exit(1)


@contextmanager
def _made_for_it(kb: KnowledgeBase, collection: str) -> Iterator[None]:
    """The collection, made where it is new; and not left behind empty where nothing comes into it."""
    is_new = collection not in {one.name for one in kb.catalog.collections.all()}
    made = kb.ensure_collection(collection)
    try:
        yield
    except KeyboardInterrupt:
        err.print("interrupted; what was committed stays, and the same command goes on from there")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except Exception:
        found = kb.catalog.collections.get(collection)
        sources = kb.catalog.sources.all(found)
        if is_new and found.id == made.id and not found.last_seq and len(sources) <= 1:  # nobody else fills it
            kb.drop_collection(collection)
        raise


def show_report(report: IngestReport, collection: str, kind: str) -> None:
    """The summary for a person."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for outcome, words in _WORDS.items():
        if report.outcomes[outcome]:
            table.add_row(words, f"{report.outcomes[outcome]:,}")
    if report.kept:
        table.add_row("kept", f"{report.kept:,} that the source no longer has; --mirror deletes them")
    if report.failed:
        table.add_row("failed", f"{report.failed:,}")
    table.add_row("chunks", f"{report.chunks:,} ({report.embedded:,} newly embedded)")
    out.print(f"[bold]{collection}[/]: {counted(report.documents, 'document', grouped=True)} in {report.seconds:.1f} s")
    if not report.documents and not report.failed:
        err.print(_NO_EVENT if kind == "debezium" else _NOTHING)
    out.print(table)
    for failure in _varied(report.failures)[:FAILURES_SHOWN]:
        err.print(f"[yellow]skipped[/] {escape(f'{failure.key}: {failure.reason}; {failure.remedy}')}", markup=True)
    if report.failed > FAILURES_SHOWN:
        err.print(f"… and {report.failed - FAILURES_SHOWN} more; see `kb dead-letters -c {collection}`")
    for group in report.duplicates[:GROUPS_SHOWN]:
        out.print(f"[yellow]same text[/] ({group.similarity:.0%}): {escape(', '.join(group.keys))}")
    if report.withheld and report.unnamed:
        err.print(
            f"[red]{report.withheld} deletions withheld[/]: {report.unnamed} inputs that could not be read may be "
            "these documents; mend them and repeat"
        )
    elif report.withheld:
        err.print(
            f"[red]{report.withheld} deletions withheld[/]: the source no longer names most of its documents; "
            "repeat with --allow-mass-deletion if that is meant"
        )


def _lost(fit: EncoderFit, collection: str) -> str:
    advice = f"kb reindex -c {collection} --encoder {fit.advised or '…'}"
    return (
        f"[yellow]the encoder {escape(fit.encoder)} knows only {fit.known:.0%} of these documents' letters[/]: words "
        f"alone will find them; one that knows their language finds more by meaning: {escape(advice)}"
    )


def _varied(failures: Sequence[Failure]) -> list[Failure]:
    """One of each remedy first, the most frequent ahead: what ails a whole folder is hidden by no odd files."""
    counts = Counter(failure.remedy for failure in failures)
    first = {failure.remedy: failure for failure in reversed(failures)}
    leading = [first[remedy] for remedy, _ in counts.most_common()]
    return leading + [failure for failure in failures if failure is not first[failure.remedy]]


_NOTHING = "[yellow]nothing was found there[/]: expected files, lines or rows that become documents"
_NO_EVENT = "[yellow]nothing new was found there[/]: no event of a table that the mapping names since the last time"
_WORDS = {
    Outcome.CREATED: "new",
    Outcome.UPDATED: "changed",
    Outcome.METADATA: "changed beside the text",
    Outcome.UNCHANGED: "unchanged",
    Outcome.DELETED: "deleted",
    Outcome.STALE: "older than stored, ignored",
}

"""`kb demo`: the main job on a sample company, step by step, with how long each took."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.markup import escape
from rich.rule import Rule
from rich.text import Text

from api.commands.search import show_answer, show_hits
from api.commands.shared import knowledge_base, out
from api.knowledge_base import KnowledgeBase
from api.sources.opening import open_source
from infra.sample.company import DELETE, PARENT_UPDATE, UPDATE, Company, RowChange, change_row, write_company
from infra.wording import counted
from ingest.report import IngestReport
from retrieval.errors import ConflictError
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Principal

T = TypeVar("T")

COLLECTION = "company"
ROWS_SOURCE = "company-db"
RULE_WIDTH = 78  # characters, also where there is no terminal
FOUND_WITHIN = 5  # the changed document must be among so many first hits


@dataclass(frozen=True, slots=True)
class _Demo:
    kb: KnowledgeBase
    company: Company

    def rows(self) -> IngestReport:
        """Read the database again; unchanged rows cost next to nothing."""
        address = f"sqlite:///{self.company.database}"
        opened = open_source(self.kb, COLLECTION, address, ROWS_SOURCE, "sql", self.company.mapping)
        return self.kb.ingest(COLLECTION, opened.source, rows=opened.rows)

    def documents(self) -> list[IngestReport]:
        """Read the folders, each readable by the group it is named after."""
        reports = []
        for group in self.company.groups:
            folder = self.company.documents / group
            opened = open_source(self.kb, COLLECTION, str(folder), _folder_source(group), acl=[group])
            reports.append(self.kb.ingest(COLLECTION, opened.source))
        return reports


def demo(
    keep: Annotated[bool, typer.Option(help="Keep the sample collection for `kb serve`.")] = True,
) -> None:
    """Ingest a bilingual sample company, search it, ask it, change a row and find it again at once."""
    with knowledge_base() as kb:
        shown = _Demo(kb, write_company(kb.settings.data_dir / "sample"))
        make_room(kb, shown.company)
        out.print(Rule("[bold]A knowledge base in one process[/]"), width=RULE_WIDTH)
        out.print("A manufacturer's database and documents, in English and Chinese, some for certain groups only.\n")
        _timed("encoder ready (exported once, then cached)", lambda: kb.open_encoder(kb.settings.encoder))
        kb.create_collection(COLLECTION)
        _ingest(shown)
        _search(shown)
        _ask(shown)
        _groups(shown)
        _changes(shown)
        if not keep:
            kb.drop_collection(COLLECTION)
    out.print(Rule("[bold]What now[/]"), width=RULE_WIDTH)
    out.print(_NEXT.replace("KB", _command()))


def make_room(kb: KnowledgeBase, company: Company) -> None:
    """Drop the collection that an earlier demo left. Raises `ConflictError` where it holds anything else."""
    if COLLECTION not in {collection.name for collection in kb.catalog.collections.all()}:
        return
    found = kb.catalog.collections.get(COLLECTION)
    own = {ROWS_SOURCE, *map(_folder_source, company.groups)}
    others = {source.name for source in kb.catalog.sources.all(found)} - own
    documents = kb.catalog.documents
    if others or documents.counts(found)[0] > sum(documents.count_of(found, source) for source in own):
        raise ConflictError(
            f"collection {COLLECTION!r} holds documents that are not the demo's, which would delete them "
            f"({', '.join(sorted(others)) or 'written over REST'}); give the demo a data folder of its own: "
            "KB_DATA_DIR=.kb-demo KB_CATALOG_URL= kb demo"
        )
    kb.drop_collection(COLLECTION)


def _folder_source(group: str) -> str:
    return f"documents-{group}"


def _ingest(shown: _Demo) -> None:
    _headline("1. Ingest: tables joined by foreign keys, and folders of documents")
    report = _timed("eight tables", shown.rows)
    reports = _timed("five folders (Markdown, HTML, CSV, mail, text)", shown.documents)
    count = report.documents + sum(one.documents for one in reports)
    chunks = report.chunks + sum(one.chunks for one in reports)
    failed = report.failed + sum(one.failed for one in reports)
    out.print(f"   {counted(count, 'document')}, {counted(chunks, 'chunk')}, {failed} failed")
    again = _timed("all tables once more", shown.rows)
    out.print(f"   {again.outcomes.total()} looked at, {again.embedded} embedded: unchanged text costs nothing\n")


def _search(shown: _Demo) -> None:
    _headline("2. Search: words and meaning, with what each leg gave to the score")
    for query in ("What do I do when an AX-1200 shows E-07?", "焊接车间用什么接近开关不会误动作？"):
        out.print(Text(f"» {query}", style="magenta"))
        show_hits(shown.kb.search(COLLECTION, SearchRequest(query, 3), OPERATOR), explain=True)
    out.print()


def _ask(shown: _Demo) -> None:
    _headline("3. Ask: answers cited to the exact span, or a refusal")
    for question in (
        "How long is the warranty on drives that are registered on the portal?",
        "压缩空气里有水怎么办？",
        "Who won the football match between Ghent and Bruges?",
    ):
        out.print(Text(f"» {question}", style="magenta"))
        result = _timed("", lambda asked=question: shown.kb.answer(COLLECTION, asked, OPERATOR))  # type: ignore[misc]
        show_answer(result)
    out.print()


def _groups(shown: _Demo) -> None:
    _headline("4. Rights: the same question from two people")
    question = "How is the yearly salary review done?"
    for name, groups in (("a visitor", ()), ("a member of hr", ("hr",))):
        principal = Principal(name, Principal(name).groups | set(groups))
        hits = shown.kb.search(COLLECTION, SearchRequest(question, 3), principal).hits
        keys = ", ".join(hit.chunk.key for hit in hits)
        out.print(f"   [magenta]{name}[/] finds {escape(keys) or 'nothing'}")
    out.print()


def _changes(shown: _Demo) -> None:
    _headline("5. Change rows and find them at once")
    _change(shown, "an answer is rewritten", UPDATE)
    _change(shown, "a product is renamed: every document that joins it follows", PARENT_UPDATE)
    _change(shown, "a ticket is deleted", DELETE)
    out.print()


def _change(shown: _Demo, what: str, change: RowChange) -> None:
    change_row(shown.company.database, change)
    began = time.perf_counter()
    report = shown.rows()
    hits = shown.kb.search(COLLECTION, SearchRequest(change.question, FOUND_WITHIN), OPERATOR).hits
    took = (time.perf_counter() - began) * 1000
    found = next((hit for hit in hits if hit.chunk.key == change.key), None)
    served = found is not None and change.proof in found.chunk.text + found.chunk.title
    right = served if change.proof else found is None
    seen = ("found with its new text" if change.proof else "gone from search") if right else "NOT AS IT SHOULD BE"
    changed = report.documents - report.outcomes["unchanged"]  # type: ignore[index]  # a StrEnum's value is its key
    out.print(
        f"   {what}: {change.key} {seen} after {took:.0f} ms, the scan of all tables included "
        f"({counted(changed, 'document')} changed)"
    )
    if not right:
        raise typer.Exit(1)


def _command() -> str:
    """How this program is called from here: by name where the shell finds it."""
    if shutil.which("kb"):
        return "kb"
    program = Path(sys.argv[0])
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


def _headline(text: str) -> None:
    out.print(Text(text, style="bold cyan"))


def _timed(what: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    took = time.perf_counter() - began
    shown = f"{took:.1f} s" if took >= 1 else f"{took * 1000:.0f} ms"
    out.print(f"   {what + ': ' if what else ''}[green]{shown}[/]")
    return result


_NEXT = """Serve it:   [bold]KB serve[/]   (prints an address and, the first time, an admin key)
Search it:  [bold]KB search -c company "brake resistor"[/]
Ask it:     [bold]KB ask -c company "驱动器的保修期可以延长到多久？"[/]
Your own:   [bold]KB ingest PATH -c mine[/]   files, folders, JSON lines, databases
Settings:   docs/settings.md; the data are in .kb, or in the folder that the data_dir setting names"""

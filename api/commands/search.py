"""`kb search` and `kb ask`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.text import Text

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, plan_in, print_json
from api.knowledge_base import AnswerResult
from api.wire.presentation import answer_json, result_json
from infra.wording import counted
from retrieval.answer.types import Citation
from retrieval.errors import InvalidInputError
from retrieval.filters import Filter, parse_filter
from retrieval.search.relevance import FEW
from retrieval.search.types import Hit, SearchRequest, SearchResult
from retrieval.types import OPERATOR, Principal

AsGroups = Annotated[list[str] | None, typer.Option("--as-group", help="See what this group sees; repeat for more.")]
FilterOption = Annotated[str, typer.Option("--filter", help='JSON, such as {"_language": "zh"}.')]


def search(
    query: Annotated[str, typer.Argument(help="Words or a question.")],
    collection: CollectionOption = "default",
    top_k: Annotated[int, typer.Option("-k", "--top-k", help="How many hits.")] = 10,
    filter_json: FilterOption = "",
    plan: Annotated[
        typer.FileText | None, typer.Option(help="JSON file of a plan, instead of the serving one.")
    ] = None,
    group_by: Annotated[str, typer.Option(help="document: its best chunk only; chunk: every chunk.")] = "document",
    as_group: AsGroups = None,
    as_typed: Annotated[bool, typer.Option("--as-typed", help="Correct no mistyped words.")] = False,
    explain: Annotated[bool, typer.Option(help="Show each leg's rank and score.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find passages."""
    if group_by not in ("document", "chunk"):
        raise InvalidInputError(f"--group-by is {group_by!r}; expected document or chunk")
    chosen = None if plan is None else plan_in(plan)
    grouped: Literal["chunk", "document"] = "chunk" if group_by == "chunk" else "document"
    request = SearchRequest(query, top_k, _filter(filter_json), grouped, correct=not as_typed, relevance=True)
    with knowledge_base() as kb:
        result = kb.search(collection, request, principal(as_group), plan=chosen)
    if as_json:
        print_json(result_json(result, explain=True))
    else:
        show_hits(result, explain)


def ask(
    question: Annotated[str, typer.Argument(help="A question, in English or Chinese.")],
    collection: CollectionOption = "default",
    filter_json: FilterOption = "",
    as_group: AsGroups = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the documents, with citations, or say that they hold no answer."""
    with knowledge_base() as kb:
        result = kb.answer(collection, question, principal(as_group), filter=_filter(filter_json))
    if as_json:
        print_json(answer_json(result.answer, result.search))
    else:
        show_answer(result)


def principal(groups: list[str] | None) -> Principal:
    """The operator, or somebody with these groups only."""
    return OPERATOR if groups is None else Principal("operator", Principal("").groups | set(groups))


def show_hits(result: SearchResult, explain: bool) -> None:
    """Hits for a person."""
    show_corrections(result)
    if result.hits and result.relevance is not None and result.relevance < FEW:
        out.print(Text(f"nothing here seems to be about that (relevance {result.relevance:.2f})", style="yellow"))
    for number, hit in enumerate(result.hits, start=1):
        title = Text(f"{number:>2}. {hit.chunk.title or hit.chunk.key}", style="bold")
        title.append(f"  {hit.document_id}", style="dim")
        out.print(title)
        out.print(Text("    ") + _fragment(hit))
        if explain:
            out.print(Text("    " + explanation(hit), style="cyan"))
    count = len(result.hits)
    out.print(Text(f"{counted(count, 'hit')} in {result.took_ms:.1f} ms", style="dim"))


def show_corrections(result: SearchResult) -> None:
    """What was searched for instead of mistyped words."""
    for one in result.corrections:
        out.print(Text(f"searched for {one.meant} instead of {one.typed}", style="yellow"))


def explanation(hit: Hit) -> str:
    """How the score came about, on one line."""
    parts = [f"score {hit.score:.3f}"]
    for name, part in (("words", hit.fused.sparse), ("meaning", hit.fused.dense)):
        if part is None:
            parts.append(f"{name}: not found")
        elif part.rank is None:
            parts.append(f"{name}: below its depth → {part.contribution:.3f}")
        else:
            parts.append(f"{name}: rank {part.rank}, {part.score:.2f} → {part.contribution:.3f}")
    if hit.fused.graph is not None:
        parts.append(f"{hit.fused.graph.edges} of the graph: {hit.fused.graph.contribution:+.3f}")
    if hit.fused.precedent is not None:
        told = hit.fused.precedent
        parts.append(f"earlier questions: nearest {told.nearest:.2f}, {told.share:.0%} → {told.contribution:+.3f}")
    if hit.fused.ranker:
        parts.append(f"learned ranker: {hit.fused.ranker:+.3f}")
    return " | ".join(parts)


def show_answer(result: AnswerResult) -> None:
    """An answer for a person."""
    answer = result.answer
    show_corrections(result.search)
    out.print(Text(answer.text, style="yellow" if answer.refused else "bold"))
    for citation in answer.citations:
        source = Text(f"[{citation.number}] {citation.title or citation.document_id}", style="cyan")
        source.append(f"  {citation.document_id} @ {citation.start}–{citation.end}", style="dim")
        out.print(source)
        if where := _where(citation):
            out.print(Text(f"    {where}", style="dim"))
    out.print(Text(f"confidence {answer.confidence:.2f}, {answer.generator}{_note(answer.degraded)}", style="dim"))


def _where(citation: Citation) -> str:
    """Page and headings of a quote, those that are known."""
    page = "" if citation.page is None else f"page {citation.page}"
    return ", ".join(part for part in (page, citation.heading) if part)


def _note(degraded: str) -> str:
    return f", {degraded}" if degraded else ""


def _fragment(hit: Hit) -> Text:
    if not hit.highlights:
        return Text(" ".join(hit.chunk.text[:160].split()))
    text = Text()
    for index, fragment in enumerate(hit.highlights):
        piece = Text(("… " if index else "") + fragment.text.replace("\n", " "))
        offset = 2 if index else 0
        for start, end in fragment.marks:
            piece.stylize("bold green", start + offset, end + offset)
        text.append_text(piece)
    return text


def _filter(text: str) -> Filter | None:
    if not text:
        return None
    try:
        return parse_filter(json.loads(text))
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f'--filter is not JSON ({error}); expected something like {{"_language": "zh"}}'
        ) from None

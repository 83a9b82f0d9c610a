"""`kb verify`, `kb collections` and `kb modules`."""

from __future__ import annotations

from typing import Annotated

import typer

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, table_of
from api.modules import all_modules
from api.upkeep.maintenance import verify_collection


def verify(
    collection: CollectionOption = "default",
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs; documents from their database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare live databases, catalog, words and vectors; exit status 1 when they differ and were not repaired."""
    with knowledge_base() as kb:
        result = verify_collection(kb, collection, repair=repair)
    if as_json:
        print_json(result.to_dict())
    else:
        out.print(result.sentence())
    if not result.in_step and not result.repaired:
        raise typer.Exit(1)


def collections(as_json: AsJson = False) -> None:
    """Every collection with its size."""
    with knowledge_base() as kb:
        rows = [(record, *kb.catalog.documents.counts(record)) for record in kb.catalog.collections.all()]
    if as_json:
        print_json(
            {
                "collections": [
                    {"name": r.name, "documents": documents, "chunks": chunks, "encoder": r.encoder, "seq": r.last_seq}
                    for r, documents, chunks in rows
                ]
            }
        )
        return
    table = table_of("collection", "documents", "chunks", "encoder")
    for record, documents, chunks in rows:
        table.add_row(record.name, f"{documents:,}", f"{chunks:,}", record.encoder)
    out.print(table)


def modules(as_json: AsJson = False) -> None:
    """Every exchangeable part: encoders, parsers, chunkers, rerankers, generators, sources, tasks."""
    rows = all_modules()
    if as_json:
        print_json({"modules": rows})
        return
    table = table_of("kind", "name", "what it is", "from")
    for row in rows:
        table.add_row(row["kind"], row["name"], row["summary"], row["origin"])
    out.print(table)

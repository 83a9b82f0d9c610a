"""`kb keys`: create, list and revoke API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from api.commands.shared import AsJson, err, knowledge_base, out, print_json, table_of
from retrieval.catalog.keys import MAX_DAYS, Scope

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[Scope, typer.Option(help="What the key may do; each includes the one before.")] = Scope.READ,
    name: Annotated[str, typer.Option(help="Who or what it is for.")] = "",
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="Only these; default: all.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="Group whose documents it reads; repeat for more.")] = None,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Expires after so many days.")] = 365,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once."""
    with knowledge_base() as kb:
        known = {one.name for one in kb.catalog.collections.all()}
        for absent in sorted(set(collection or ()) - known):
            err.print(f"[yellow]warning:[/] collection {escape(absent)} does not exist yet", markup=True)
        record, key = kb.catalog.keys.create(
            name or scope.value,
            scope,
            collections=collection,
            groups=group or (),
            expires_at=datetime.now(UTC) + timedelta(days=days),
        )
        kb.catalog.audit.record("operator", "keys.create", record.id, {"scope": scope.value, "name": record.name})
    if as_json:
        print_json({"key": key, "id": record.id, "scope": scope.value, "expires_at": record.expires_at})
    else:
        out.print(f"[bold]{key}[/]\nIt is shown only now. It expires on {record.expires_at:%Y-%m-%d}.")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Every key without its secret."""
    with knowledge_base() as kb:
        records = kb.catalog.keys.all()
    if as_json:
        print_json(
            {
                "keys": [
                    {
                        "id": r.id,
                        "name": r.name,
                        "scope": r.scope,
                        "expires_at": r.expires_at,
                        "revoked_at": r.revoked_at,
                    }
                    for r in records
                ]
            }
        )
        return
    table = table_of("id", "name", "scope", "collections", "groups", "expires", "revoked")
    for r in records:
        reach = "all" if r.collections is None else ", ".join(r.collections)
        expires = f"{r.expires_at:%Y-%m-%d}" if r.expires_at else "never"
        table.add_row(r.id, r.name, r.scope, reach, ", ".join(r.groups), expires, "yes" if r.revoked_at else "")
    out.print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id, as `kb keys list` shows it.")]) -> None:
    """Make a key useless at once."""
    with knowledge_base() as kb:
        kb.catalog.keys.revoke(key_id)
        kb.catalog.audit.record("operator", "keys.revoke", key_id)
    out.print(f"key {key_id} is revoked")

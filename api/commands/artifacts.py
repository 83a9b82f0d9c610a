"""`kb artifacts`: what tuning left on the disk: list it, verify it, remove what nobody needs."""

from __future__ import annotations

from typing import Annotated

import typer

from api.commands.shared import AsJson, knowledge_base, out, print_json, table_of
from infra.wording import counted
from search_core.artifact.artifact_store import StoredArtifact, list_artifacts, prunable, remove, verified

app = typer.Typer(help="Artifacts: plans and models that tuning left.", no_args_is_help=True)

KEPT = 10  # newest runs of a collection


@app.command("list")
def list_stored(as_json: AsJson = False) -> None:
    """Every run's artifact and every shared model, with who needs it."""
    with knowledge_base() as kb:
        found = list_artifacts(kb.catalog, kb.settings.data_dir)
    _show(found, as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Whether each can serve: complete, and as it was written. An altered file is named; exit status 1 then."""
    with knowledge_base() as kb:
        found = [verified(one) for one in list_artifacts(kb.catalog, kb.settings.data_dir)]
    _show(found, as_json)
    if any(one.trouble for one in found):
        raise typer.Exit(1)


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="So many of the newest runs of each collection stay.")] = KEPT,
    dry_run: Annotated[bool, typer.Option(help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what nobody needs; never what serves, is one rollback away, or any stored plan names. Logs stay."""
    with knowledge_base() as kb:
        found = prunable(kb.catalog, kb.settings.data_dir, keep)
        for artifact in () if dry_run else found:
            remove(artifact)
            kb.catalog.audit.record("operator", "artifacts.prune", artifact.name, {"bytes": artifact.size})
    if as_json:
        print_json({"removed": [one.to_dict() for one in found], "dry_run": dry_run})
        return
    total = sum(one.size for one in found) / 2**20
    for one in found:
        out.print(f"{one.kind} {one.name} {one.collection}".strip())
    out.print(f"{counted(len(found), 'artifact')}, {total:.1f} MB {'would go' if dry_run else 'removed'}")


def _show(found: list[StoredArtifact], as_json: bool) -> None:
    if as_json:
        print_json({"artifacts": [one.to_dict() for one in found]})
        return
    table = table_of("kind", "name", "collection", "plan", "MB", "needed", "state")
    for one in found:
        size, plan = f"{one.size / 2**20:.1f}", "" if one.plan_id is None else str(one.plan_id)
        state = "" if one.trouble is None else "NOT WHOLE" if one.trouble else "whole"
        table.add_row(one.kind, one.name, one.collection, plan, size, one.needed or "may go", state)
    out.print(table)
    for one in found:
        if one.trouble:
            out.print(one.trouble)

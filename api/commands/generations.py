"""`kb reindex` and `kb generations`: build another encoder, analyzer or chunking beside the serving one, and switch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, progress_bar, reach, table_of
from api.generations.build_apart import NICENESS
from api.generations.comparison import WITHOUT_ADAPTER
from api.generations.reindex import (
    NOTE,
    activate_generation,
    generation_json,
    reindex,
    retire_generation,
    roll_back_generation,
    serving_as_asked,
)
from api.wire.base import MAX_CHUNK_TOKENS, MIN_CHUNK_TOKENS
from infra.wording import counted
from retrieval.errors import InvalidInputError

app = typer.Typer(help="Generations of a collection: list, activate, roll back, retire.", no_args_is_help=True)
GenerationNumber = Annotated[int, typer.Argument(min=1, help="The generation's number.")]


def reindex_command(
    collection: CollectionOption = "default",
    encoder: Annotated[str, typer.Option(help="Another encoder; default: the settings' encoder.")] = "",
    chunk_tokens: Annotated[
        int | None,
        typer.Option(min=MIN_CHUNK_TOKENS, max=MAX_CHUNK_TOKENS, help="Largest chunk, in tokens; default: as now."),
    ] = None,
    dictionary: Annotated[Path | None, typer.Option(help="JSON list of words that are kept whole.")] = None,
    synonyms: Annotated[Path | None, typer.Option(help="JSON list of lists of words that mean the same.")] = None,
    eval_set: Annotated[str, typer.Option(help="Evaluation set that it must not be worse on.")] = "",
    activate: Annotated[bool, typer.Option(help="Let it serve when it passes.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Also when it is worse on the evaluation set.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Also when what serves is made by just that.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build a new generation of a collection beside the serving one, compare both, switch; searches go on."""
    os.nice(NICENESS)
    arguments = {
        "encoder": encoder,
        "chunk_tokens": chunk_tokens,
        "dictionary": _json(dictionary),
        "synonyms": _json(synonyms),
        "eval_set": eval_set,
        "activate": False,
        "force": force,
    }
    with knowledge_base() as kb, progress_bar(f"reindexing {collection}") as progress:
        known = serving_as_asked(kb, collection, arguments) if activate and not anew else None
        report = known or reindex(kb, collection, arguments, lambda done, total: reach(progress, done, total))
    if activate and known is None:  # by a process that holds no view files: whoever serves takes them over
        with knowledge_base() as kb:
            report |= generation_json(activate_generation(kb, collection, report["id"], force=force))
    if as_json:
        print_json(report)
    else:
        _print(report, collection)
        if known is not None:
            out.print(f"{known[NOTE]}; `--anew` builds another", markup=False)
        _print_comparison(report["evidence"] or {})


@app.command("list")
def list_generations(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Every generation and where it stands."""
    with knowledge_base() as kb:
        shown = [generation_json(one) for one in kb.catalog.generations.all(kb.catalog.collections.get(collection))]
    if as_json:
        print_json({"generations": shown})
        return
    table = table_of("id", "state", "encoder", "chunk tokens", "created")
    for one in shown:
        table.add_row(
            str(one["id"]),
            one["state"],
            one["encoder"],
            str(one["chunk_tokens"]),
            f"{one['created_at']:%Y-%m-%d %H:%M}",
        )
    out.print(table)


@app.command()
def activate(
    generation: GenerationNumber,
    collection: CollectionOption = "default",
    force: Annotated[bool, typer.Option("--force", help="Also when it is worse on the evaluation set.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a complete generation serve from now on."""
    with knowledge_base() as kb:
        _show(generation_json(activate_generation(kb, collection, generation, force=force)), collection, as_json)


@app.command()
def rollback(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Return to the generation that served before."""
    with knowledge_base() as kb:
        _show(generation_json(roll_back_generation(kb, collection)), collection, as_json)


@app.command()
def retire(generation: GenerationNumber, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Drop a generation that does not serve: its chunks, embeddings and views."""
    with knowledge_base() as kb:
        _show(generation_json(retire_generation(kb, collection, generation)), collection, as_json)


def _show(shown: dict[str, Any], collection: str, as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        _print(shown, collection)


def _print(shown: dict[str, Any], collection: str) -> None:
    out.print(f"{collection}: generation {shown['id']} ({shown['encoder']}) is {shown['state']}")
    if adapter := (shown["evidence"] or {}).get(WITHOUT_ADAPTER):
        out.print(f"its plan goes without {adapter}, of another encoder; `kb tune` learns such anew")


def _print_comparison(evidence: dict[str, Any]) -> None:
    """What the new generation holds, and what both find, where they were compared by questions."""
    if "parity" in evidence:
        held = evidence["parity"]
        embedded = f", {evidence['embedded']:,} newly embedded" if "embedded" in evidence else ""
        documents = counted(held["documents"], "document", grouped=True)
        out.print(f"{documents} in {counted(held['chunks'], 'chunk', grouped=True)}{embedded}")
    if "differences" not in evidence:
        return
    table = table_of(f"on {evidence['eval_set']}", "before", "after", "difference (95 % interval)")
    for metric, gap in evidence["differences"].items():
        apart = f"{gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
        table.add_row(metric, f"{evidence['serving'][metric]:.4f}", f"{evidence['new'][metric]:.4f}", apart)
    out.print(table)


def _json(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be read as JSON: {error}") from error

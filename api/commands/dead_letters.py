"""`kb dead-letters`: what could not be ingested; list it, try it again, drop it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, table_of
from retrieval.catalog.sources import DeadLetterRecord

app = typer.Typer(help="What could not be ingested, and why: list, replay, drop.", invoke_without_command=True)

SourceOption = Annotated[str | None, typer.Option("--source", help="Only letters of this source.")]
LetterArgument = Annotated[int | None, typer.Argument(metavar="ID", help="Number of one letter; none: all.")]
KEYS = ("id", "source", "key", "reason", "remedy", "position", "topic", "partition", "offset", "at")
BATCH = 500  # letters read at a time


@app.callback()
def dead_letters(
    context: typer.Context,
    collection: CollectionOption = "default",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    source: SourceOption = None,
    as_json: AsJson = False,
) -> None:
    """What could not be ingested, and why."""
    if context.invoked_subcommand is not None:
        return
    with knowledge_base() as kb:
        letters = kb.catalog.sources.dead_letters(kb.catalog.collections.get(collection), limit, 0, source)
    if as_json:
        print_json({"dead_letters": [_values(letter) for letter in letters]})
        return
    table = table_of("id", "source", "key", "reason", "remedy")
    for letter in letters:
        table.add_row(str(letter.id), letter.source, letter.key, letter.reason, letter.remedy)
    out.print(table)


@app.command()
def show(
    letter: Annotated[int, typer.Argument(metavar="ID", help="Number of the letter.")],
    collection: CollectionOption = "default",
) -> None:
    """One letter with what was received, as JSON."""
    with knowledge_base() as kb:
        found = kb.catalog.sources.dead_letter(kb.catalog.collections.get(collection), letter)
    payload = None if found.payload is None else found.payload.decode(errors="replace")
    headers = [{"name": name, "value": value.decode(errors="replace")} for name, value in found.headers]
    print_json(_values(found) | {"headers": headers, "payload": payload})


@app.command()
def replay(
    letter: LetterArgument = None,
    collection: CollectionOption = "default",
    source: SourceOption = None,
    as_json: AsJson = False,
) -> None:
    """Try messages of live databases again; exit status 1 when one fails again."""
    from api.sources.dead_letters import replay as try_again

    done = []
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        after = 0
        while letters := (
            kb.catalog.sources.dead_letters(record, BATCH, after, source)
            if letter is None
            else [kb.catalog.sources.dead_letter(record, letter)]
        ):
            done += try_again(kb, record, letters)
            after = letters[-1].id
            if letter is not None:
                break
    failed = [one for one in done if one.reason]
    if as_json:
        print_json({"replayed": len(done) - len(failed), "failed": [one.letter.id for one in failed]})
    else:
        out.print(f"{len(done) - len(failed):,} replayed, {len(failed):,} failed again")
        for one in failed:
            out.print(f"{one.letter.id}: {one.reason}", markup=False)
    if failed:
        raise typer.Exit(1)


@app.command()
def drop(
    letter: LetterArgument = None,
    collection: CollectionOption = "default",
    source: SourceOption = None,
    all_letters: Annotated[bool, typer.Option("--all", help="Every letter, or every one of --source.")] = False,
) -> None:
    """Forget one letter, or all with --all."""
    if (letter is None) == (not all_letters):
        raise typer.BadParameter("name one letter by its number, or say --all")
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        if letter is None:
            out.print(f"{kb.catalog.sources.drop_dead_letters(record, source):,} dropped")
        else:
            kb.catalog.sources.drop_dead_letter(record, letter)


def _values(letter: DeadLetterRecord) -> dict[str, Any]:
    return {key: getattr(letter, key) for key in KEYS}

"""`kb encoders`: which encoders have a name, and fetching those that the installation does not bring along."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from api.commands.fetching import told
from api.commands.shared import AsJson, err, out, print_json, table_of
from infra.settings import load_settings
from retrieval.encoder import ENCODERS
from retrieval.encoder.pretrained import PRETRAINED, is_here, pretrained_folder
from retrieval.errors import ConflictError, NotFoundError

app = typer.Typer(help="Encoders with a name: list, fetch.", no_args_is_help=True)


@app.command("list")
def list_encoders(as_json: AsJson = False) -> None:
    """Every encoder with a name, and whether it is on this machine."""
    used = load_settings().encoder
    rows = [
        {"name": one.name, "about": one.summary, "here": is_here(one.name), "used": one.name == used}
        for one in ENCODERS
    ]
    if as_json:
        print_json({"encoders": rows})
        return
    table = table_of("encoder", "here", "about")
    for row in rows:
        mark = " (KB_ENCODER)" if row["used"] else ""
        table.add_row(f"{row['name']}{mark}", "yes" if row["here"] else "no", str(row["about"]))
    out.print(table)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="One that `kb encoders list` shows as not here.")],
    to: Annotated[
        Path | None, typer.Option(help="Also write its folder there, to be copied to other machines.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch an encoder with Maven and check its digest; a second time nothing is fetched."""
    if name not in PRETRAINED:
        raise NotFoundError(f"encoder {name!r} cannot be fetched; expected one of: {', '.join(PRETRAINED)}")
    if to is not None and to.exists():
        raise ConflictError(f"{to} exists already; name a folder that does not")
    with told() as progress:
        folder = pretrained_folder(name, progress)
    if to is not None:
        shutil.copytree(folder, to)
        folder = to.resolve()
    if as_json:
        print_json({"encoder": name, "folder": str(folder)})
        return
    out.print(str(folder), markup=False, soft_wrap=True)
    used = folder if to is not None else name
    err.print(f"use it: KB_ENCODER={used}, or: kb reindex -c COLLECTION --encoder {used}", markup=False, soft_wrap=True)

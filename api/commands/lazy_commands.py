"""A group of commands whose modules are loaded when one of them is called, so that `kb` answers at once.

Loading every command takes seconds (SQL, web framework, search core); most calls need one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is: `module:name` of a function or of a `typer.Typer`, and the line of help shown for it."""

    target: str
    help: str

    def load(self, name: str) -> Any:
        """The command, ready to be called."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """Takes its commands from `entries`; its own help imports none of them."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # what is looked through for a similar name where one is mistyped, and shown by the help
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in self.entries.items()}
        self._shows_help = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; what only stands for it while the help is written."""
        if self._shows_help or cmd_name not in self.entries:
            return self.commands.get(cmd_name)
        return self.entries[cmd_name].load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """All commands with their lines."""
        self._shows_help = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._shows_help = False

"""The table of commands: each is there, says of itself what the table says, and is loaded only when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from api.cli import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    command = COMMANDS[name].load(name)
    assert command.help.split("\n\n")[0].replace("\n", " ") == COMMANDS[name].help
    assert command.name == name


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


def test_a_wrong_name_is_answered_with_similar_ones() -> None:
    done = CliRunner().invoke(app, ["serch"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "Did you mean 'search'" in done.output


def test_help_and_version_load_no_command() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from api.cli import app; "
        "done = [CliRunner().invoke(app, [option]) for option in ('--help', '--version')]; "
        "assert all(one.exit_code == 0 for one in done); assert 'autoglm-kb' in done[1].output; "
        "sys.exit(str([name for name in sys.modules if name in ('sqlalchemy', 'numpy', 'api.knowledge_base')] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""

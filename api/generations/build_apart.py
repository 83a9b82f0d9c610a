"""Builds a generation in a process of its own, which steps back for whoever answers searches.

Cutting and indexing are Python and would hold up every search of the same process; a process of the lowest priority
only takes what is free. It ends with its parent, and what it has done is kept.

    python -m api.generations.build_apart < ORDER.json    prints one JSON object a line: progress, then the end
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import SecretStr

from api.generations.build import build_generation
from api.generations.options import ReindexOptions
from api.knowledge_base import KnowledgeBase
from infra.logs import set_up_logging
from infra.settings import ENV_PREFIX, Settings
from ingest.errors import IngestError
from retrieval.errors import ConflictError, EncoderError, InvalidInputError, NotFoundError, OutageError, RetrievalError

NICENESS = 19  # the lowest priority: against a busy server, some hundredth of a core
END_SECONDS = 10.0

_TOLD = (
    ConflictError,
    EncoderError,
    InvalidInputError,
    NotFoundError,
    OutageError,
)  # apart, by a job's code
_ERRORS = {error.__name__: error for error in _TOLD}


def build_apart(
    settings: Settings, collection: str, options: ReindexOptions, report: Callable[[int, int | None], None]
) -> int:
    """The number of the complete generation. Raises as `build_generation` does, and what `report` raises."""
    order = {"settings": _plain(settings) | _one_core_less(settings), "collection": collection}
    order["options"] = asdict(options)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    process = subprocess.Popen(
        [sys.executable, "-m", "api.generations.build_apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(orjson.dumps(order) + b"\n")
        process.stdin.flush()  # and stays open: its end tells the child that we are gone
        for line in process.stdout:
            said = orjson.loads(line)
            if "generation" in said:
                return int(said["generation"])
            if "error" in said:
                raise _ERRORS.get(said["error"], RetrievalError)(said["message"])
            report(said["done"], said["total"])
        raise RetrievalError("the building process ended before its work; its log says why, repeat to go on from there")
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _plain(settings: Settings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    secrets = {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}
    return settings.model_dump(mode="json") | secrets


def _one_core_less(settings: Settings) -> dict[str, Any]:
    """Threads for its encoder: a core stays free of it, whose caches and memory a search then finds its own."""
    return {"encoder_threads": settings.encoder_threads or max(1, (os.cpu_count() or 1) - 1)}


def _say(said: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Read the order, build, say how it went."""
    os.nice(NICENESS)
    order = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = Settings.model_validate(order["settings"])
    set_up_logging(settings)
    try:
        with KnowledgeBase.open(settings) as kb:
            generation = build_generation(
                kb,
                order["collection"],
                ReindexOptions.of(order["options"]),
                lambda done, total: _say({"done": done, "total": total}),
            )
        _say({"generation": generation.id})
    except (RetrievalError, IngestError) as error:
        _say({"error": type(error).__name__, "message": str(error)})
    os._exit(0)  # all is said and closed; an ordinary end would meet the thread that holds the standard input


if __name__ == "__main__":
    main()

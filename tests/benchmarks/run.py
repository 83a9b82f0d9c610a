"""Measures the rows of docs/measurements.md: `kb bench [ROW...]`, or python -m tests.benchmarks.run [ROW...].

Prints each row with its command, commit, data hash, machine and seed, and writes it to results/ROW.json beside this
file. `--quick` measures `index` and `reindex`, which take many minutes, on a part of their data. `--tiny` is a first
try of everything in about a minute; its numbers mean nothing and are not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import circumstances
from tests.benchmarks.options import Options

RESULTS = Path(__file__).with_name("results")
ROWS = {
    "index": "documents and tokens a second on NFCorpus with nDCG@10, beside the peers (about 15 minutes)",
    "http": "search over HTTP at 10,000 chunks: latency and throughput (first time 3 minutes, then 1)",
    "memory": "resident memory of the server at 10,000 chunks (half a minute after `http`)",
    "freshness": "write to searchable over HTTP, metadata-only changes a second (a minute after `http`)",
    "reindex": "p95 of 50 searches a second before and during a reindex of 10,000 chunks (about 5 minutes)",
    "promotion": "plans and encoders exchanged under 50 searches a second: what was wrong, p95 (about 8 minutes)",
    "live": "row commit to searchable in both legs on the real stack at 100 changes a second (two minutes)",
    "worker": "changes a second of one worker on Kafka, and their freshness in the catalog (about 2 minutes)",
    "console": "until a page of the console answers its user, in Chromium at 10,000 chunks (a minute after `http`)",
    "growth": "start and latency at 10,000 and 100,000 chunks of synthetic vectors (first time 5 minutes)",
    "ocr": "words that OCR finds again in pages drawn as pictures, English and Chinese (about 3 minutes)",
}
TINY = {
    "documents": 40,
    "questions": 5,
    "peers": ("bm25s",),
    "chunks": 60,
    "reindexed": 60,
    "pause": 0.1,
    "requests": 20,
    "writes": 5,
    "growth": (50, 100),
    "scanned": 1,
}

QUICK = {"documents": 1_200, "reindexed": 2_500}  # a third of NFCorpus, a quarter of the chunks


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows asked for, all by default."""
    asked = _parse(arguments)
    options = _options(asked)
    for name in asked.rows or ROWS:
        row = measure(name, options, _command(arguments))
        if not asked.tiny:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n")
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n" if asked.json else _text(name, row))
        sys.stdout.flush()


def measure(name: str, options: Options, command: str) -> dict[str, Any]:
    """One row with its circumstances."""
    module = import_module(f"tests.benchmarks.bench_{name}")
    options.work.mkdir(parents=True, exist_ok=True)
    about = {"row": name, "command": command} | circumstances()
    return about | module.measure(options)


def _text(name: str, row: dict[str, Any]) -> str:
    body = import_module(f"tests.benchmarks.bench_{name}").lines(row)
    head = f"{name}: {ROWS[name].partition(' (')[0]}"
    foot = f"{row['command']} · commit {row['commit']} · data {row['data_sha256'][:16]} · seed {row['seed']}"
    return (
        "\n".join(
            [head, *(f"  {line}" for line in body), f"  {foot}", f"  {row['machine']}, load {row['load_before']}"]
        )
        + "\n\n"
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kb bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = "\n".join(f"  {name:10} {what}" for name, what in ROWS.items())
    parser.epilog = f"rows:\n{rows}"
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--json", action="store_true", help="each row as one JSON line instead of a table")
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--quick", action="store_true", help="index and reindex on a part of their data")
    parser.add_argument("--work", type=Path, help="folder that keeps what takes long to build")
    parser.add_argument("--peers", help="comma separated; default: all")
    parser.add_argument("--documents", type=int, default=0, help="only so many documents of NFCorpus")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.rows) - set(ROWS))
    if unknown:
        parser.error(f"row {unknown[0]!r} is unknown; expected one of {', '.join(ROWS)}")
    return asked


def _options(asked: argparse.Namespace) -> Options:
    options = replace(Options(), **(TINY if asked.tiny else QUICK if asked.quick else {}))
    if asked.tiny:
        options = replace(options, work=options.work / "tiny")
    if asked.work is not None:
        options = replace(options, work=asked.work)
    if asked.peers is not None:
        options = replace(options, peers=tuple(asked.peers.split(",")))
    return replace(options, documents=asked.documents or options.documents)


def _command(arguments: Sequence[str] | None) -> str:
    """What others would type: without the folder of this machine."""
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--work")
    _, typed = folder.parse_known_args(arguments)
    return " ".join(["kb bench", *typed])


if __name__ == "__main__":
    main()

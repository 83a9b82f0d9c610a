"""Process time of one change event of a flat table, by step: `python tests/benchmarks/bench_rows.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from golden.messages import load  # noqa: E402 (after the path)

from ingest.row_mapper import RowMapper  # noqa: E402
from ingest.sources.column_kinds import kinds_of  # noqa: E402
from ingest.sources.debezium_events import read_message  # noqa: E402
from ingest.table_mapping import parse_mapping  # noqa: E402
from retrieval.catalog import Catalog, Commit, sqlite_url  # noqa: E402

ROUNDS = 6
TABLE = "public.notes"
MAPPING = parse_mapping(
    {"tables": {TABLE: {"title": "title", "body": "{title}\n{body}", "metadata": ["price", "category", "added"]}}}
)
KINDS = kinds_of({TABLE: {"price": "NUMERIC(10, 2)", "added": "DATE"}})


def message(like: dict[str, Any], row: int, round_: int) -> tuple[bytes, bytes]:
    """Key and value of an update in which only metadata is new."""
    place = 10_000_000 + round_ * 100_000 + row
    source = {**like["source"], "lsn": place, "sequence": f'["{place - 50}","{place}"]'}
    after = {"id": row, "title": f"title {row}", "body": "some answer " * 20, "price": "12.50"}
    after |= {"category": f"c{round_}", "added": "2026-01-02Z"}
    return orjson.dumps({"id": row}), orjson.dumps({**like, "after": after, "source": source})


def main() -> None:
    """Print the best round of each step, in microseconds an event."""
    recorded = (one["value"] for one in load("postgres", "ours") if one["topic"].endswith("notes") and one["value"])
    update = next(value for value in recorded if value["op"] == "u")
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(sqlite_url(Path(folder) / "catalog.db"))
        collection = catalog.collections.create("c", "hash", "f")
        record = catalog.sources.register(collection, "db", "database")
        for size in (500, 2000):
            best: dict[str, float] = {}
            for round_ in range(size, size + ROUNDS):
                raw = [message(update, row, round_) for row in range(size)]
                moments = [time.process_time()]
                parsed = [(orjson.loads(key), orjson.loads(value)) for key, value in raw]
                events = [event for key, value in parsed for event in read_message(key, value, None, (), KINDS)]
                moments.append(time.process_time())
                mapper = RowMapper(MAPPING, catalog.sources.rows(record))
                assert len(mapper.apply(events)) == size
                rows = mapper.drain()
                moments.append(time.process_time())
                catalog.writer.commit(collection.id, Commit(rows=rows))
                moments.append(time.process_time())
                for step, begin, end in zip(("read", "map", "store rows"), moments, moments[1:], strict=False):
                    best[step] = min(best.get(step, 1e9), (end - begin) / size * 1e6)
            print(size, {step: round(value, 1) for step, value in best.items()})
        catalog.close()


if __name__ == "__main__":
    main()

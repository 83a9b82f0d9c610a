"""What must be so before and after: documents equal to the rows, no lag, no dead letter, all views in step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.sources.sql import SqlSource
from ingest.table_mapping import parse_mapping
from retrieval.types import Document

from .processes import Processes
from .searcher import COLLECTION

LOOK_SECONDS = 0.5
EXAMPLES = 5
PAGE = 100  # documents of a listing


@dataclass
class Judge:
    """Compares what the API shows with what the databases hold."""

    client: httpx.Client
    processes: Processes
    urls: Mapping[str, str]
    mappings: Mapping[str, Mapping[str, Any]]

    def expected(self) -> dict[str, tuple[str, str]]:
        """Title and text of every document, rendered from the tables as they are now."""
        documents: dict[str, tuple[str, str]] = {}
        for name, url in self.urls.items():
            mapping = parse_mapping({"tables": self.mappings[name]})
            mapper = RowMapper(mapping, MemoryRows())
            changes = [one for batch in SqlSource(url, mapping).poll(None) for one in batch.row_changes]
            found = [one for one in mapper.apply(changes) if isinstance(one, Document)]
            documents |= {one.key: (one.title.strip(), _trimmed(one.text)) for one in found}
        return documents

    def titles(self) -> dict[str, str]:
        """Title of every document that the API lists."""
        titles: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            answer = self.client.get(f"/collections/{COLLECTION}/documents", params=page).raise_for_status().json()
            titles |= {one["key"]: one["title"].strip() for one in answer["documents"]}
            cursor = answer["next_cursor"]
            if cursor is None:
                return titles

    def _texts(self, keys: Iterable[str]) -> dict[str, str]:
        """Text of these documents, each asked for."""
        texts: dict[str, str] = {}
        for key in keys:
            answer = self.client.get(f"/collections/{COLLECTION}/documents/{key}")
            if answer.status_code == httpx.codes.OK:
                texts[key] = _trimmed(answer.json()["text"])
        return texts

    def snapshot(self, seconds: float) -> dict[str, Any]:
        """Wait until the first snapshot is whole."""
        began = time.monotonic()
        expected = self.expected()
        different = self._wait_until_equal(expected, seconds)
        failures = [f"after the snapshot: {different}"] if different else []
        return {"documents": len(expected), "seconds": round(time.monotonic() - began, 1), "failures": failures}

    def final(self, seconds: float) -> dict[str, Any]:
        """Wait until everything is applied, then compare all there is."""
        began = time.monotonic()
        expected = self.expected()
        different = self._wait_until_equal(expected, seconds)
        caught_up = round(time.monotonic() - began, 1)
        different = different or self._wait_for_texts({key: text for key, (_, text) in expected.items()}, seconds)
        failures = [f"documents: {different}"] if different else []
        statuses = self._without_lag(seconds)
        for name, status in statuses.items():
            if status["lag"]["events"] or status["dead_letters"] or status["problems"]:
                failures.append(f"source {name}: {status['lag']} {status['dead_letters']} {status['problems']}")
        verdicts = {"served": self._verified_by_server(), "command": self._verified_by_command()}
        for who, verdict in verdicts.items():
            compared = [one["rows_compared"] for one in verdict.get("sources", {}).values() if not one["unreachable"]]
            if not verdict.get("in_step") or len(compared) != len(self.urls) or not all(compared):
                failures.append(f"kb verify, {who}: {json.dumps(verdict)[:2000]}")
        return {
            "documents": len(expected),
            "caught_up_after": caught_up,
            "verify": verdicts["command"],
            "failures": failures,
        }

    def _wait_until_equal(self, expected: Mapping[str, tuple[str, str]], seconds: float) -> str:
        """How they differ after that time at most; empty: not at all. Titles only, which are quick to list."""
        deadline = time.monotonic() + seconds
        titles = {key: title for key, (title, _) in expected.items()}
        while True:
            held = self.titles()
            if held == titles:
                return ""
            if time.monotonic() > deadline:
                return _difference(held, titles)
            time.sleep(LOOK_SECONDS)

    def _wait_for_texts(self, expected: Mapping[str, str], seconds: float) -> str:
        """How texts differ after that time at most: a table that a connector gave up is read again within a minute."""
        deadline = time.monotonic() + seconds
        wanted = dict(expected)
        while True:
            held = self._texts(wanted)
            wanted = {key: text for key, text in wanted.items() if held.get(key) != text}
            if not wanted or time.monotonic() > deadline:
                return _difference({key: text for key, text in held.items() if key in wanted}, wanted)
            time.sleep(LOOK_SECONDS)

    def _without_lag(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            statuses = {name: self._status(name) for name in self.urls}
            quiet = all(one["lag"]["events"] == 0 and not one["problems"] for one in statuses.values())
            if quiet or time.monotonic() > deadline:
                return statuses
            time.sleep(LOOK_SECONDS)

    def _status(self, name: str) -> dict[str, Any]:
        answer = self.client.get(f"/sources/{name}", params={"collection": COLLECTION})
        return dict(answer.raise_for_status().json())

    def _verified_by_server(self) -> dict[str, Any]:
        """The verdict of a job, on the views that searches use."""
        body = {"kind": "verify", "collection": COLLECTION, "arguments": {}}
        job = self.client.post("/jobs", json=body).raise_for_status().json()
        deadline = time.monotonic() + 120
        while job["state"] in ("queued", "running") and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            job = self.client.get(f"/jobs/{job['id']}").raise_for_status().json()
        return dict(job["result"]["collections"][0] if job["result"] else {"job": job})

    def _verified_by_command(self) -> dict[str, Any]:
        return dict(json.loads(self.processes.run("verify", "-c", COLLECTION, "--json")))


def _trimmed(text: str) -> str:
    """Without the spaces at the ends of lines and the empty lines that an empty column leaves, as cleaning does."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _difference(held: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    missing = sorted(expected.keys() - held.keys())
    surplus = sorted(held.keys() - expected.keys())
    changed = sorted(key for key in expected.keys() & held.keys() if expected[key] != held[key])
    told = {"missing": missing, "surplus": surplus, "changed": changed}
    return "; ".join(f"{len(keys)} {what}, such as {keys[:EXAMPLES]}" for what, keys in told.items() if keys)

"""Tables are read again, for another mapping or as they are, so that every fault meets a reading."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from .searcher import COLLECTION

OF_COLLECTION = {"collection": COLLECTION}
EDITION = "\nEdition "
FEW_EVENTS = 50  # that no worker has read, of changes that go on all the time
LOOK_SECONDS = 0.5


@dataclass
class Rereading:
    """Asks for all tables of every source; `mappings` are those of now, by source."""

    client: httpx.Client
    mappings: dict[str, dict[str, Any]]
    counts: Counter[str] = field(default_factory=Counter)
    _asked: int = 0
    _asked_at: datetime = datetime.min.replace(tzinfo=UTC)

    def ask(self) -> None:
        """By turns change the mapping, so that every document has another last line, and have it all read as it is."""
        self._asked += 1
        self._asked_at = datetime.now(UTC)
        for name, tables in self.mappings.items():
            if self._asked % 2:
                self.mappings[name] = {table: self._edited(form) for table, form in tables.items()}
                body = {"tables": self.mappings[name]}
                answer = self.client.patch(f"/sources/{name}", params=OF_COLLECTION, json=body)
            else:
                answer = self.client.post(f"/sources/{name}/snapshot", params=OF_COLLECTION, json={})
            answer.raise_for_status()
            self.counts["changed mappings" if self._asked % 2 else "readings as it is"] += 1

    def wait_until_applied(self, seconds: float) -> bool:
        """Whether all that was asked for last is read and applied; changes wait behind what is read again."""
        deadline = time.monotonic() + seconds
        waiting = set(self.mappings)
        while waiting and time.monotonic() < deadline:
            waiting = {name for name in waiting if not self._is_applied(name)}
            time.sleep(LOOK_SECONDS)
        return not waiting

    def _is_applied(self, name: str) -> bool:
        try:
            answer = self.client.get(f"/sources/{name}", params=OF_COLLECTION)
        except httpx.HTTPError:
            return False
        if answer.status_code != httpx.codes.OK:
            return False
        status = answer.json()
        told, events = status["snapshot"], status["lag"]["events"]
        since = datetime.fromisoformat(told["started_at"]) if told.get("started_at") else None
        return (
            (since is not None and since >= self._asked_at and told["state"] == "completed")
            and events is not None
            and events <= FEW_EVENTS
        )

    def _edited(self, form: dict[str, Any]) -> dict[str, Any]:
        return form | {"body": f"{form['body'].partition(EDITION)[0]}{EDITION}{self._asked}"}

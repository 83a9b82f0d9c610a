"""Tables are read again, for another mapping or as they are, so that every fault meets a reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from .searcher import COLLECTION

OF_COLLECTION = {"collection": COLLECTION}


@dataclass
class Rereading:
    """Asks for all tables of every source; `mappings` are those of now, by source."""

    client: httpx.Client
    mappings: dict[str, dict[str, Any]]
    counts: Counter[str] = field(default_factory=Counter)
    _asked: int = 0

    def ask(self) -> None:
        """By turns change the mapping, so that every document has another last line, and have it all read as it is."""
        self._asked += 1
        for name, tables in self.mappings.items():
            if self._asked % 2:
                self.mappings[name] = {table: self._edited(form) for table, form in tables.items()}
                body = {"tables": self.mappings[name]}
                answer = self.client.patch(f"/sources/{name}", params=OF_COLLECTION, json=body)
            else:
                answer = self.client.post(f"/sources/{name}/snapshot", params=OF_COLLECTION, json={})
            answer.raise_for_status()
            self.counts["changed mappings" if self._asked % 2 else "readings as it is"] += 1

    def _edited(self, form: dict[str, Any]) -> dict[str, Any]:
        return form | {"body": f"{form['body'].partition(EDITION)[0]}{EDITION}{self._asked}"}


EDITION = "\nEdition "

"""Who asks: the rights that a key or a token gives, and the principal that the catalog's checks see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from retrieval.catalog.keys import KeyRecord, Scope
from retrieval.types import EVERYONE, Principal


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `collections` None means all; rate limits and the audit log count by `name`."""

    name: str
    scope: Scope
    groups: frozenset[str] = frozenset({EVERYONE})
    collections: tuple[str, ...] | None = None

    @classmethod
    def of_key(cls, key: KeyRecord) -> Caller:
        """The rights of an API key."""
        return cls(f"key:{key.id}", key.scope, frozenset(key.groups) | {EVERYONE}, key.collections)

    @property
    def sees_all(self) -> bool:
        """Whether document ACLs do not bind this caller."""
        return self.scope is Scope.ADMIN

    @property
    def principal(self) -> Principal:
        """The caller with all its rights."""
        return Principal(self.name, self.groups, self.sees_all)

    def reaches(self, collection: str) -> bool:
        """Whether the caller's rights cover that collection."""
        return self.collections is None or collection in self.collections

    def narrowed(self, groups: Sequence[str]) -> Principal | None:
        """The caller with these groups only; None where it does not have them all. Operators may take any."""
        wanted = frozenset(groups) | {EVERYONE}
        if not self.sees_all and not wanted <= self.groups:
            return None
        return Principal(self.name, wanted, False)


@dataclass(frozen=True, slots=True)
class Session:
    """A caller who logged in to the console, the name he is shown by, and until when."""

    id: str
    caller: Caller
    label: str
    expires_at: datetime

    @property
    def csrf(self) -> str:
        """What must come with every request that changes something; not to be had from the cookie by any script."""
        return hashlib.sha256(f"csrf {self.id}".encode()).hexdigest()

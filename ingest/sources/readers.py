"""Who may read the documents of a source, as its runs said, so that a run which says nothing opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Groups = tuple[str, ...] | None  # None: those of the collection's default


@dataclass(frozen=True, slots=True)
class Readers:
    """`acl` for every document of the source, but for those keys that have their own in `apart`."""

    acl: Groups = None
    apart: Mapping[str, Groups] = field(default_factory=dict)

    def of(self, key: str) -> Groups:
        """The groups that may read that document."""
        return self.apart.get(key, self.acl)

    def but(self, key: str, acl: Groups) -> Readers:
        """The same, except that this document has these groups."""
        others = {name: groups for name, groups in self.apart.items() if name != key}
        return Readers(self.acl, others if acl == self.acl else others | {key: acl})

    def to_json(self) -> dict[str, Any]:
        """Plain values for the catalog."""
        return {"acl": self.acl, "apart": dict(self.apart)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Readers:
        """The inverse of `to_json`; earlier versions knew no groups of single documents."""
        apart = {key: _groups(acl) for key, acl in content.get("apart", {}).items()}
        return cls(_groups(content.get("acl")), apart)


def _groups(acl: list[str] | None) -> Groups:
    return None if acl is None else tuple(acl)

"""Who may read the documents of a source, as its runs said, so that a run which says nothing opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Groups = tuple[str, ...] | None  # None: those of the collection's default


@dataclass(frozen=True, slots=True)
class Readers:
    """`acl` for every document of the source, but for those files that have their own in `apart`.

    A file is known by its path below the folder, so that it keeps its groups under another prefix.
    """

    acl: Groups = None
    apart: Mapping[str, Groups] = field(default_factory=dict)

    def of(self, path: str) -> Groups:
        """The groups that may read the document of that file."""
        return self.apart.get(path, self.acl)

    def but(self, path: str, acl: Groups) -> Readers:
        """The same, except that the document of this file has these groups."""
        others = {name: groups for name, groups in self.apart.items() if name != path}
        return Readers(self.acl, others if acl == self.acl else others | {path: acl})

    def to_json(self) -> dict[str, Any]:
        """Plain values for the catalog."""
        return {"acl": self.acl, "single": dict(self.apart)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], prefix: str = "") -> Readers:
        """The inverse of `to_json`; earlier versions knew no groups of single files, or wrote them with the prefix."""
        former = {key.removeprefix(prefix): acl for key, acl in content.get("apart", {}).items()}
        apart = {path: _groups(acl) for path, acl in content.get("single", former).items()}
        return cls(_groups(content.get("acl")), apart)


def _groups(acl: list[str] | None) -> Groups:
    return None if acl is None else tuple(acl)

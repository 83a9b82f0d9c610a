"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.wording import counted

EXAMPLES = 10  # keys named; the counts are of all


@dataclass(frozen=True, slots=True)
class Difference:
    """How one view departs from the catalog, in labels.

    `changed` are held with other words, another vector, or other rights or metadata, of what the view keeps, or as
    newer than the catalog is, which would refuse the next changes.
    """

    missing: int
    surplus: int
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.changed)

    def to_dict(self) -> dict[str, int]:
        """Plain values for JSON."""
        return {"missing": self.missing, "surplus": self.surplus, "changed": self.changed}


@dataclass(frozen=True, slots=True)
class SourceVerificationResult:
    """How the catalog departs from one live source. `unreachable` says why it could not be compared."""

    rows_compared: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)  # by kind of difference
    documents: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[str] = ()
    unreachable: str = ""

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.rows or self.documents)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows_compared": self.rows_compared,
            "rows": dict(self.rows),
            "documents": dict(self.documents),
            "examples": list(self.examples),
            "unreachable": self.unreachable,
        }


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What a verification found.

    `unembedded` passages can be found by words only. `damaged` documents have a text or chunks that were altered past
    the writer; `lost` are those whose true text is not known here. With `repaired`, all but these were mended.
    """

    collection: str
    seq: int
    documents: int
    chunks: int
    unembedded: int
    views: dict[str, Difference]
    damaged: Sequence[str] = ()
    lost: Sequence[str] = ()
    sources: Mapping[str, SourceVerificationResult] = field(default_factory=dict)
    repaired: bool = False

    @property
    def in_step(self) -> bool:
        """Whether source, catalog and every view say the same; a source that cannot be reached says nothing."""
        differs = any(self.views.values()) or any(source.differs for source in self.sources.values())
        return not (self.unembedded or self.damaged or differs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "collection": self.collection,
            "seq": self.seq,
            "documents": self.documents,
            "chunks": self.chunks,
            "unembedded": self.unembedded,
            "views": {name: difference.to_dict() for name, difference in self.views.items()},
            "damaged": len(self.damaged),
            "lost": list(self.lost[:EXAMPLES]),
            "sources": {name: source.to_dict() for name, source in self.sources.items()},
            "in_step": self.in_step,
            "repaired": self.repaired,
        }

    def sentence(self) -> str:
        """The result for a person."""
        held = f"{counted(self.documents, 'document', grouped=True)}, {counted(self.chunks, 'chunk', grouped=True)}"
        size = f"{self.collection}: {held} at operation {self.seq}"
        unreachable = [f"source {name} not compared: {one.unreachable}" for name, one in self.sources.items()
                       if one.unreachable]  # fmt: skip
        if self.in_step:
            compared = ", ".join(name for name, one in self.sources.items() if not one.unreachable)
            agreeing = f"source {compared}, catalog" if compared else "catalog"
            return "; ".join([size, f"{agreeing}, words index and vectors agree", *unreachable])
        end = "repaired" if self.repaired else "repair with --repair"
        return "; ".join([size, *self._findings(), *unreachable, end])

    def _findings(self) -> list[str]:
        found = [
            f"{name}: {d.missing} missing, {d.surplus} too many" + (f", {d.changed} changed" if d.changed else "")
            for name, d in self.views.items()
        ]
        found += [f"{counted(self.unembedded, 'passage')} without embedding"] if self.unembedded else []
        found += [f"{counted(len(self.damaged), 'document')} altered past the writer"] if self.damaged else []
        found += [f"no true text of {', '.join(self.lost[:EXAMPLES])}: write these again"] if self.lost else []
        for name, source in self.sources.items():
            if source.differs:
                parts = [f"{counted(count, 'row')} {what}" for what, count in source.rows.items()]
                parts += [f"{counted(count, 'document')} {what}" for what, count in source.documents.items()]
                found.append(f"source {name}: {', '.join(parts)} (such as {', '.join(source.examples[:3])})")
        return found

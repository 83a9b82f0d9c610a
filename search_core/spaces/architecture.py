"""The Architecture: one complete set of choices of a search space, as a value to store, compare, show and run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from search_core.errors import ArchitectureError
from search_core.spaces.scalar import Scalar

DIGEST_LENGTH = 12  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Architecture:
    """The choices made in the space of that name; equal architectures have equal digests, whatever the order given.

    `choices` may be given as a mapping or as pairs and is kept as pairs sorted by name. Whether a space allows them is
    `SearchSpace.check`'s to say.
    """

    space: str
    choices: tuple[tuple[str, Scalar], ...]

    def __init__(self, space: str, choices: Mapping[str, Scalar] | Iterable[tuple[str, Scalar]]) -> None:
        pairs = choices.items() if isinstance(choices, Mapping) else choices
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "choices", tuple(sorted((name, value) for name, value in pairs)))

    def __getitem__(self, name: str) -> Scalar:
        """The value chosen for a decision. Raises `KeyError` when it was not to be made."""
        return self.as_dict()[name]

    def get(self, name: str, default: Scalar = None) -> Scalar:
        """The value chosen for a decision, or `default` where it was not to be made."""
        return self.as_dict().get(name, default)

    def as_dict(self) -> dict[str, Scalar]:
        """The choices by name."""
        return dict(self.choices)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits (SHA-256 of the canonical JSON) that differ when any choice differs."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `{"space": ..., "choices": {...}}`."""
        return {"space": self.space, "choices": self.as_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`. Raises `ArchitectureError` for another form."""
        space, choices = values.get("space"), values.get("choices")
        if not isinstance(space, str) or not isinstance(choices, Mapping) or set(values) != {"space", "choices"}:
            raise ArchitectureError(
                f'architecture is {dict(values)!r}; expected {{"space": "...", "choices": {{...}}}}'
            )
        for name, value in choices.items():
            if not isinstance(name, str) or not isinstance(value, str | int | float | bool | None):
                raise ArchitectureError(
                    f"architecture choice {name!r} is {value!r}; expected text, number, truth or null"
                )
        return cls(space, choices)

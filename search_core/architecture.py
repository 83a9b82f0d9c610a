"""The Architecture: one complete set of choices of a search space, as a value to store, compare, show and run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from search_core.errors import ArchitectureError

if TYPE_CHECKING:
    from search_core.drawing import ChoiceGraph
    from search_core.space import SearchSpace

Scalar: TypeAlias = str | int | float | bool | None
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

    def describe(self, space: SearchSpace | None = None) -> str:
        """What this architecture does in plain English, a line for each tier; `space` where it is not registered."""
        from search_core.drawing import describe

        return describe(self, space or _registered(self.space))

    def to_graph(self, space: SearchSpace | None = None) -> ChoiceGraph:
        """The choices as nodes (in the order of the space) and the conditions between them as edges."""
        from search_core.drawing import choice_graph

        return choice_graph(self.as_dict(), space or _registered(self.space))

    def to_svg(self, space: SearchSpace | None = None) -> str:
        """A picture of the choices, a column for each tier, as one SVG element."""
        from search_core.drawing import draw

        return draw(self, space or _registered(self.space))


def _registered(name: str) -> SearchSpace:
    from search_core.space import open_space  # a space makes architectures, so that the import goes both ways

    return open_space(name)

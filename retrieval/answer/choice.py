"""Which answer model serves a collection: the part of a plan that `kb tune --task answer` and `kb readers use` set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from retrieval.answer.prompt import SLOTS, PromptSlots
from retrieval.errors import InvalidInputError

EXTRACTIVE, READER, ENDPOINT = "extractive", "reader", "openai"
GENERATOR_NAMES = (EXTRACTIVE, READER, ENDPOINT)
READERS = "readers"  # folder of the data directory; a reader's name is its folder's
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class AnswerChoice:
    """A generator with what it needs: the name of a reader, or how an endpoint is asked.

    Raises `InvalidInputError` for a combination that makes no sense.
    """

    generator: str = EXTRACTIVE
    reader: str = ""
    prompt: PromptSlots = field(default_factory=PromptSlots)

    def __post_init__(self) -> None:
        if self.generator not in GENERATOR_NAMES:
            known = ", ".join(GENERATOR_NAMES)
            raise InvalidInputError(f"plan.answer.generator is {self.generator!r}; expected one of {known}")
        if (self.generator == READER) != bool(self.reader):
            raise InvalidInputError(
                f"plan.answer.reader is {self.reader!r} for generator {self.generator!r}; expected the name of a "
                f"reader for {READER!r} and none for others"
            )
        if self.reader:
            check_reader_name(self.reader)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, thing: str, values: Any) -> AnswerChoice:
        """The inverse of `to_dict`; what is missing takes its default. Raises `InvalidInputError` naming the field."""
        values = _object(thing, values, ("generator", "reader", "prompt"))
        slots = _object(f"{thing}.prompt", values.get("prompt", {}), tuple(SLOTS))
        for name, value in [*slots.items(), *((key, values[key]) for key in values if key != "prompt")]:
            if not isinstance(value, str):
                raise InvalidInputError(f"{thing}: {name} is {value!r}; expected text")
        return cls(values.get("generator", EXTRACTIVE), values.get("reader", ""), PromptSlots(**slots))

    def describe(self) -> str:
        """In words, short."""
        if self.generator == READER:
            return f"reader {self.reader}"
        if self.generator == ENDPOINT:
            return f"endpoint, {self.prompt.describe()}"
        return "sentences"


def check_reader_name(name: str) -> str:
    """The name, which becomes a folder's. Raises `InvalidInputError`."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"reader name {name!r} is not allowed; expected letters, digits, '.', '_' and '-'")
    return name


def _object(thing: str, values: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"{thing} is {values!r}; expected an object with {', '.join(known)}")
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InvalidInputError(f"{thing} has unknown field {unknown[0]!r}; known: {', '.join(known)}")
    return dict(values)

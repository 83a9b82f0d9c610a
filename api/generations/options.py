"""What a reindex is asked to build, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from retrieval.catalog import Collection
from retrieval.catalog.collections import GENERATION_SETTINGS


@dataclass(frozen=True, slots=True)
class ReindexOptions:
    """What the new generation is made by; None: as the serving one.

    Built `apart`, it takes what is free of the processor; else `share` of the time goes into building.
    """

    encoder: str = ""  # "": the settings' encoder
    chunker: str | None = None
    chunk_tokens: int | None = None
    dictionary: tuple[str, ...] | None = None
    synonyms: tuple[tuple[str, ...], ...] | None = None
    eval_set: str | None = ""  # "": the collection's only one with judgements, if it has one; None: none
    activate: bool = True
    force: bool = False  # although it is significantly worse on the evaluation set
    apart: bool = False  # in a process of its own
    share: float = 1.0

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> ReindexOptions:
        """From plain values, as a job stores them."""
        values = dict(arguments)
        if values.get("dictionary") is not None:
            values["dictionary"] = tuple(values["dictionary"])
        if values.get("synonyms") is not None:
            values["synonyms"] = tuple(tuple(group) for group in values["synonyms"])
        return cls(**values)

    def settings(self, serving: Collection) -> dict[str, Any]:
        """The generation's settings, as JSON has them."""
        values = asdict(serving.settings) | {k: v for k in GENERATION_SETTINGS if (v := getattr(self, k)) is not None}
        made_by = {name: values[name] for name in GENERATION_SETTINGS}
        return made_by | {
            "dictionary": list(made_by["dictionary"]),
            "synonyms": [list(group) for group in made_by["synonyms"]],
        }

"""The architecture of a graph-plus-language model as a frozen value; no heavy import stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from search_core.errors import SpaceError

CHOICES = {
    "operator": ("none", "sgc", "appnp", "gcn", "sage", "gat", "gin"),
    "normalisation": ("none", "layer", "batch"),
    "aggregation": ("mean", "sum", "max"),
    "fusion": ("none", "concat", "gate", "sum"),
    "readout": ("last", "mean", "max", "concat"),
}
DEPTHS = range(4)
SHARES = ("dropout", "input_dropout", "teleport")


@dataclass(frozen=True, slots=True)
class GraphLMConfig:
    """One architecture. `SpaceError` where a value is none of its choices or a width is not positive."""

    inputs: int  # width of the node features: the encoder's dimension, or the vocabulary
    outputs: int  # width of what comes out: classes, or again the encoder's dimension
    operator: str = "gcn"  # none: each node by itself
    depth: int = 1  # layers of that operator
    width: int = 64
    heads: int = 4  # of gat; they share the width
    hops: int = 2  # of one sgc or appnp layer
    teleport: float = 0.1  # appnp: share of the start that every hop keeps
    residual: bool = False  # each layer adds its input
    normalisation: str = "none"
    aggregation: str = "mean"  # of sage and gin; the others have their own
    fusion: str = "concat"  # with the features themselves; gate starts at 0: nothing of the graph
    readout: str = "last"  # which layers are read
    dropout: float = 0.5
    input_dropout: float = 0.0
    kinds: int = 1  # of edges; each has a learned factor on its weights
    later_operators: tuple[str, ...] = ()  # of the second layer and on; a layer that is not named has `operator`

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise SpaceError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}")
        for operator in self.later_operators:
            if operator not in CHOICES["operator"]:
                raise SpaceError(f"operator is {operator!r}; expected one of {', '.join(CHOICES['operator'])}")
        if self.depth not in DEPTHS:
            raise SpaceError(f"depth is {self.depth!r}; expected {DEPTHS.start} to {DEPTHS.stop - 1} layers")
        for name in ("inputs", "outputs", "width", "heads", "hops", "kinds"):
            if getattr(self, name) < 1:
                raise SpaceError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise SpaceError(f"{name} is {getattr(self, name)}; expected a share of 0 or more, less than 1")
        if self.operator == "gat" and self.width % self.heads:
            raise SpaceError(f"{self.heads} heads cannot share a width of {self.width}; expected a multiple")

    def layer(self, place: int) -> GraphLMConfig:
        """The same with the operator of that layer, from 0."""
        later = self.later_operators[place - 1 : place] if place else ()
        return replace(self, operator=later[0] if later else self.operator, later_operators=())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"later_operators": list(self.later_operators)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GraphLMConfig:
        """What `to_dict` gave. Raises `SpaceError` for a name that is not known or one that is missing."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown or not {"inputs", "outputs"} <= set(values):
            raise SpaceError(
                f"a graph model is described by {sorted(values)}; expected inputs, outputs and no {sorted(unknown)}"
            )
        return cls(**{**values, "later_operators": tuple(values.get("later_operators", ()))})

"""How an architecture is shown: in words, as a graph of choices, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision, Tier
from search_core.spaces.scalar import Scalar, same
from search_core.spaces.space import SearchSpace

# in the picture, pixels
BOX_HEIGHT, GAP, COLUMN, MARGIN, INDENT = 34, 10, 320, 24, 16
TITLES = {Tier.PLAN: "Plan", Tier.GRAPH: "Graph network", Tier.ENCODER: "Encoder"}


@dataclass(frozen=True, slots=True)
class ChoiceNode:
    """One decision of a space in a graph of choices; `value` is the place in its values, -1: not yet chosen."""

    name: str
    tier: Tier
    value: int


@dataclass(frozen=True, slots=True)
class ChoiceGraph:
    """Choices and what made them necessary: `edges` are pairs of places in `nodes`, from condition to decision."""

    nodes: tuple[ChoiceNode, ...]
    edges: tuple[tuple[int, int], ...]


def choice_graph(choices: Mapping[str, Scalar], space: SearchSpace) -> ChoiceGraph:
    """The graph of complete or partial choices; decisions that are open now are nodes without a value."""
    present = [d for d in space.decisions if d.name in choices or d.asked(choices)]
    present += [d for d in space.extras if d.name in choices]
    places = {decision.name: place for place, decision in enumerate(present)}
    nodes = tuple(ChoiceNode(d.name, d.tier, d.index(choices[d.name]) if d.name in choices else -1) for d in present)
    edges = tuple((places[name], places[d.name]) for d in present for name in d.when if name in places)
    return ChoiceGraph(nodes, edges)


def describe(architecture: Architecture, space: SearchSpace) -> str:
    """A line for each tier: what differs from the default first, by the summaries of the space."""
    return "\n".join(f"{TITLES[tier]}: {_line(architecture, space, tier)}." for tier in _tiers(space))


def _line(architecture: Architecture, space: SearchSpace, tier: Tier) -> str:
    chosen = [d for d in _chosen(architecture, space) if d.tier is tier]
    moved = [d for d in chosen if not same(architecture[d.name], d.default)]
    if not moved:
        return "as by default"
    told = "; ".join(f"{d.summary}: {said(architecture[d.name])} (default {said(d.default)})" for d in moved)
    return f"{told}; the rest as by default" if len(moved) < len(chosen) else told


def said(value: Scalar) -> str:
    """A value as a person writes it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "none" if value is None else str(value)


def draw(architecture: Architecture, space: SearchSpace) -> str:
    """One SVG element: a column for each tier, a box for each choice, a line from condition to decision."""
    boxes, columns = _layout(architecture, space)
    height = max(y for _, y in boxes.values()) + BOX_HEIGHT + GAP
    width = len(columns) * COLUMN
    parts = [_title(place, TITLES[tier]) for place, tier in enumerate(columns)]
    for decision in _chosen(architecture, space):
        parts += [_edge(boxes[name], boxes[decision.name]) for name in decision.when if name in boxes]
    parts += [
        _box(decision, architecture[decision.name], *boxes[decision.name]) for decision in _chosen(architecture, space)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12"><title>{escape(architecture.digest)}</title>'
        + "".join(parts)
        + "</svg>"
    )


def _layout(architecture: Architecture, space: SearchSpace) -> tuple[dict[str, tuple[int, int]], list[Tier]]:
    columns = _tiers(space)
    boxes: dict[str, tuple[int, int]] = {}
    filled = dict.fromkeys(columns, 0)
    for decision in _chosen(architecture, space):
        above = max((boxes[name][0] % COLUMN for name in decision.when if name in boxes), default=MARGIN - INDENT)
        x = columns.index(decision.tier) * COLUMN + min(above + INDENT, MARGIN + 3 * INDENT)
        boxes[decision.name] = x, 34 + filled[decision.tier] * (BOX_HEIGHT + GAP)
        filled[decision.tier] += 1
    return boxes, columns


def _title(column: int, text: str) -> str:
    return f'<text x="{column * COLUMN + MARGIN}" y="20" font-weight="bold" fill="currentColor">{escape(text)}</text>'


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    """A line that leaves the condition's box at its left edge and enters the decision's box from the left."""
    x, y = start[0] + 8, start[1] + BOX_HEIGHT
    lane = min(x, end[0] - 8)
    path = f"M{x} {y} L{lane} {y + 6} L{lane} {end[1] + BOX_HEIGHT // 2} L{end[0]} {end[1] + BOX_HEIGHT // 2}"
    return f'<path d="{path}" fill="none" stroke="#8a94a6" stroke-width="1.2"/>'


def _box(decision: Decision, value: Scalar, x: int, y: int) -> str:
    moved = not same(value, decision.default)
    width = COLUMN - MARGIN - x % COLUMN  # all end in one line
    fill, border = ("#dbeafe", "#2563eb") if moved else ("#f3f4f6", "#9ca3af")  # blue: differs from the default
    return (
        f'<g><title>{escape(decision.summary)}</title><rect x="{x}" y="{y}" width="{width}" height="{BOX_HEIGHT}" '
        f'rx="6" fill="{fill}" stroke="{border}"/>'
        f'<text x="{x + 10}" y="{y + 21}" fill="#111827">{escape(decision.name)}</text>'
        f'<text x="{x + width - 10}" y="{y + 21}" text-anchor="end" font-weight="bold" fill="#111827">'
        f"{escape(said(value))}</text></g>"
    )


def _chosen(architecture: Architecture, space: SearchSpace) -> list[Decision]:
    choices = architecture.as_dict()
    return [decision for decision in (*space.decisions, *space.extras) if decision.name in choices]


def _tiers(space: SearchSpace) -> list[Tier]:
    present = {decision.tier for decision in space.decisions}
    return [tier for tier in Tier if tier in present]

"""The tables of docs/search-core-measured.md, from the rows of bench_search_core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "search-core-measured.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
DEEP = 100  # documents: the design's figures for cranfield agree with nDCG@100 (docs/search-core-measured.md)
LEVEL = 0.05
NORMAL = 1.96  # standard errors to either side of a mean, of a 95 % interval
NAMES = {
    "plan": "plan",
    "adapter": "+ adapter",
    "graph": "+ graph network",
    "encoder": "+ encoder",
    "ranker": "+ ranker",
    "precedents": "+ precedents",
}


def write_page(rows: dict[str, Any], usual: Mapping[str, str]) -> None:
    """Put the tables between the marks of the page. `usual`: set -> the tiers by which it is compared with others."""
    others = {key: row for key, row in rows.items() if row.get("metric")}
    more = {key: row for key, row in rows.items() if key not in others and not row.get("encoders")}
    more = {key: row for key, row in more.items() if row["tiers"] != usual[key.split(" ")[0]]}
    rows = {key: row for key, row in rows.items() if key not in others and key not in more}
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    shown = "\n".join([*tables(rows), *other_metrics(others), *other_tiers(more)])
    PAGE.write_text(f"{head}{BEGIN}\n\n{shown}\n\n{END}{tail}", encoding="utf-8")


def tables(rows: dict[str, Any]) -> list[str]:
    """nDCG@10 on sealed questions: the default plan, the best of each tier, what would be promoted, and all in all."""
    named = {key: row for key, row in rows.items() if row.get("encoders")}
    rows = {key: row for key, row in rows.items() if key not in named}
    first = {key: row for key, row in rows.items() if not row["seed"]}  # other seeds have a table of their own
    found = [*tier_table(first), "", *whole(first), *seed_table(rows), *deep_table(first)]
    return [*found, *with_encoders(named, first)] if named else found


def with_encoders(named: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """Runs that might begin from other encoders, and the mean over all sets with them in place of those without."""
    sets = by_set(named)
    others = {key: row for key, row in first.items() if key.split(" ")[0] not in sets}
    return [
        "",
        "With an encoder for the language of the set to begin from (`--encoders`):",
        "",
        *tier_table(named),
        "",
        *whole(others | {key: row for key, row in named.items() if not row["seed"]}),
    ]


def tier_table(rows: dict[str, Any]) -> list[str]:
    """A row for each run."""
    heads = ["set, sealed questions", "default", *NAMES.values(), "chosen", "gain (95 %), p", "CPU s", "MiB"]
    found = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key, row in sorted(rows.items()):
        stages = {stage["tier"]: stage for stage in row["stages"]}
        cells = [cell(stages.get(tier)) for tier in NAMES]
        low, high = row["lift_interval"]
        gain = f"{row['lift']:+.4f} ({low:+.4f} to {high:+.4f}), {row['p_value']:.3f}"
        label = key.partition(" plan")[0] + (f" with {row['encoders']}" if row.get("encoders") else "")
        cost = f"{row['cpu_seconds']:.0f} | {row.get('peak_mib', '')}"
        head = [f"{label}, {row['sealed']}", f"{row['default']['ndcg@10']:.4f}"]
        found.append("| " + " | ".join([*head, *cells, f"**{row['tuned']['ndcg@10']:.4f}**", gain, cost]) + " |")
    return found


def whole(rows: dict[str, Any]) -> list[str]:
    """The mean relative lift over sets, folds of a set first averaged, and how many of all rows prove something."""
    lifts = {name: relative(mine) for name, mine in by_set(rows).items()}
    better = sum(row["p_value"] < LEVEL and row["lift"] > 0 for row in rows.values())
    worse = sum(row["p_value"] < LEVEL and row["lift"] < 0 for row in rows.values())
    told = ", ".join(f"{name} {lift:+.1%}" for name, lift in lifts.items())
    return [
        f"Mean relative lift over {len(lifts)} sets: **{np.mean(list(lifts.values())):+.1%}** ({told}). Of {len(rows)} "
        f"rows {better} are significantly better (p < {LEVEL}), {worse} significantly worse."
    ]


def by_set(rows: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each set, in alphabetical order: folds and seeds together."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for key, row in sorted(rows.items()):
        sets.setdefault(key.split(" ")[0], []).append(row)
    return sets


def seed_table(rows: dict[str, Any]) -> list[str]:
    """How far the gain of a set depends on the seed, which deals the questions and draws what is tried."""
    found = []
    for name, mine in by_set(rows).items():
        seeds = {row["seed"]: [one for one in mine if one["seed"] == row["seed"]] for row in mine}
        if len(seeds) < 2:
            continue
        before, after = (float(np.mean([row[label]["ndcg@10"] for row in mine])) for label in ("default", "tuned"))
        gains = [float(np.mean([row["lift"] for row in same])) for _, same in sorted(seeds.items())]
        told = ", ".join(f"{gain:+.4f}" for gain in gains)
        spread = float(np.std(gains, ddof=1))
        means = f"{before:.4f} | **{after:.4f}** ({after / before - 1:+.1%})"
        found.append(f"| {name} | {len(seeds)} | {means} | {told} | {spread:.4f} |")
    heads = ["set", "seeds", "default, mean", "tuned, mean", "gain with each seed", "standard deviation"]
    return ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *found] if found else []


def relative(rows: list[dict[str, Any]]) -> float:
    """The lift of these rows' means."""
    before, after = (float(np.mean([row[label]["ndcg@10"] for row in rows])) for label in ("default", "tuned"))
    return after / before - 1


def deep_table(rows: dict[str, Any]) -> list[str]:
    """Both measures of the folds of cranfield; the interval is that of their mean, from the folds' own intervals."""
    folds = [row for _, row in sorted(rows.items()) if "deep" in row]
    if not folds:
        return []
    lift, reach = pooled(folds)
    at_ten = {label: np.mean([row[label]["ndcg@10"] for row in folds]) for label in ("default", "tuned")}
    at_depth = {label: np.mean([row["deep"][label] for row in folds]) for label in ("rrf", "default", "tuned")}
    return [
        "",
        f"| cranfield, mean of {len(folds)} held-out folds | reciprocal ranks | default | tuned |",
        "|---|---|---|---|",
        f"| nDCG@10 | | {at_ten['default']:.4f} | **{at_ten['tuned']:.4f}** "
        f"({lift - reach:+.4f} to {lift + reach:+.4f}) |",
        f"| nDCG@{DEEP} | " + " | ".join(f"{value:.4f}" for value in at_depth.values()) + " |",
    ]


def other_metrics(rows: dict[str, Any]) -> list[str]:
    """What runs by other metrics gained in theirs; folds of a set are one row."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, row in sorted(rows.items()):
        runs.setdefault((key.split(" ")[0], row["metric"]), []).append(row)
    if not runs:
        return []
    found = ["", "| chosen and proven by another metric | sealed questions | default | tuned | gain (95 %) |"]
    found.append("|---|---|---|---|---|")
    for (name, metric), mine in runs.items():
        before, after = (np.mean([row[label][metric] for row in mine]) for label in ("default", "tuned"))
        lift, reach = pooled(mine)
        gain = f"{lift:+.4f} ({lift - reach:+.4f} to {lift + reach:+.4f})"
        folds = f", {len(mine)} folds" if len(mine) > 1 else ""
        sealed = sum(row["sealed"] for row in mine)
        found.append(f"| {name}{folds}, {metric} | {sealed} | {before:.4f} | **{after:.4f}** | {gain} |")
    return found


def other_tiers(rows: dict[str, Any]) -> list[str]:
    """Runs through other tiers; they do not count among the sets."""
    return ["", "By other tiers:", "", *tier_table(rows)] if rows else []


def pooled(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Mean gain of the rows, and how far its 95 % interval reaches, from their own."""
    errors = [(row["lift_interval"][1] - row["lift_interval"][0]) / (2 * NORMAL) for row in rows]
    return float(np.mean([row["lift"] for row in rows])), NORMAL * float(np.linalg.norm(errors)) / len(rows)


def cell(stage: dict[str, Any] | None) -> str:
    """The tier's best on sealed questions; in brackets where it was not kept, a dash where it was not run."""
    if stage is None:
        return ""
    if "sealed" not in stage:
        return "–"
    value = f"{stage['sealed']:.4f}"
    return value if stage["kept"] else f"({value})"

"""The model card: what an artifact is, in words a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrieval.plan import Plan
from search_core.architecture import Architecture
from search_core.gate import Verdict


def write_card(
    collection: str,
    architecture: Architecture,
    plan: Plan,
    verdict: Verdict,
    reasons: tuple[str, ...],
    manifest: Mapping[str, Any],
) -> str:
    """Markdown."""
    decision = "It was found fit to serve." if not reasons else "It does not serve: " + "; ".join(reasons) + "."
    rows = "\n".join(
        f"| {stratum.name} | {stratum.questions} | {stratum.lift:+.4f} | {stratum.low:+.4f} to {stratum.high:+.4f} |"
        for stratum in verdict.strata
    )
    return f"""# Retrieval of collection {collection}, plan {plan.digest}

{decision}

| on {verdict.questions} sealed questions | {manifest["metric"]} |
|---|---|
| before | {verdict.before:.4f} |
| after | {verdict.after:.4f} |
| gain | {verdict.lift:+.4f} ({verdict.low:+.4f} to {verdict.high:+.4f}), p = {verdict.p_value:.4f} |

| kind of question | questions | gain | 95 % interval |
|---|---|---|---|
{rows}

## What it does

{architecture.describe()}

## Where it comes from

Questions: {manifest["supervision"]["origin"]} ({manifest["supervision"]["questions"]} of them); \
corpus as of operation {manifest["seq"]}, SHA-256 {manifest["data_sha256"][:12]}; seed {manifest["seed"]}; \
{manifest["trials"]} trials in {manifest["seconds"]:.0f} s.
"""

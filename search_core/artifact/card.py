"""The model card: what an artifact is, in words a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retrieval.plan import Plan
from search_core.proof.earlier_tests import counted_runs
from search_core.proof.gate import Verdict


def write_card(
    collection: str,
    description: str,
    plan: Plan,
    verdict: Verdict,
    reasons: tuple[str, ...],
    manifest: Mapping[str, Any],
) -> str:
    """Markdown; `description` says what the architecture does."""
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

{_reused(verdict)}## What it does

{description}

## Where it comes from

Questions: {manifest["supervision"]["origin"]} ({manifest["supervision"]["questions"]} of them); \
corpus as of operation {manifest["seq"]}, SHA-256 {manifest["data_sha256"][:12]}; seed {manifest["seed"]}. \
Encoder {manifest["encoder"]} ({manifest["encoder_fingerprint"][:12]}), {_software(manifest)}.

## What it cost, and costs

{manifest["trials"]} trials in {manifest["seconds"]:.0f} s, {manifest["cpu_seconds"]:.0f} s of processor time. \
{_serving(verdict)}

## How to let it serve, and to go back

`kb plans list -c {collection}` shows its number. With it and `-c {collection}`, `kb plans promote` lets it serve at
once and `kb plans rollout` step by step; `kb plans roll-back` returns to what served before. `kb artifacts verify` says
whether these files are whole; `manifest.json` has everything above as data.
"""


def _software(manifest: Mapping[str, Any]) -> str:
    commit = manifest.get("commit")
    return f"autoglm-kb {manifest['version']}" + (f", commit {commit}" if commit else "")


def _reused(verdict: Verdict) -> str:
    """A paragraph, where the questions were used before."""
    if not verdict.earlier_tests:
        return ""
    runs = counted_runs(verdict.earlier_tests)
    return f"{runs} tested on these sealed questions, so p had to be below {verdict.level:.3g}.\n\n"


def _serving(verdict: Verdict) -> str:
    if verdict.latency is None:
        return "What a search takes was not measured."
    latency = verdict.latency
    before, after = f"{latency.before_ms:.1f} ms of processor time", f"{latency.after_ms:.1f} ms"
    took = f"A request with a search took {before} before and takes {after}"
    return f"{took}, {latency.ratio:.2f} times as long ({latency.low:.2f} to {latency.high:.2f})."


def write_answer_card(
    collection: str,
    answerer: str,
    seed: int,
    verdict: Verdict,
    reasons: Sequence[str],
    board: Sequence[Mapping[str, Any]],
) -> str:
    """The card of an answer model, in Markdown; `board` are the rows of all that were compared."""
    decision = "It was found fit to serve." if not reasons else "It does not serve: " + "; ".join(reasons) + "."
    rows = "\n".join(
        f"| {one['answer']} | {one['questions']} | {one['quality']:.3f} | {one['f1']:.3f} | {one['cited']:.3f} | "
        f"{one['refusals']:.3f} | {one['milliseconds']:.0f} | {one['cost']:.4g} |"
        for one in board
    )
    return f"""# Who answers for collection {collection}: {answerer}

{decision} On {verdict.questions} sealed questions quality goes from {verdict.before:.3f} to {verdict.after:.3f}
({verdict.lift:+.3f}, {verdict.low:+.3f} to {verdict.high:+.3f}, p = {verdict.p_value:.4f}).

{_reused(verdict)}| on the working questions | asked | quality | F1 | cited | refusals, F1 | ms | cost of 1,000 |
|---|---|---|---|---|---|---|---|
{rows}

Quality of an answer is the mean of its token F1 and of whether the cited text holds a right answer; a question without
an answer counts 1 where it is refused. Seed {seed}.
"""

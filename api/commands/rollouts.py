"""`kb plans rollout | advance | status | stop`: let a plan go out step by step."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, table_of
from api.plans import rollout_steps as steps
from api.rollout.assignment import Unit
from api.rollout.view import rollout_json
from infra.wording import counted
from retrieval.catalog.rollouts import DEFAULT_SHARE, Stage

PlanNumber = Annotated[int, typer.Argument(help="Number of the plan; 0 is the built-in default.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the rollout.")]
Share = Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the searches: compared in shadow, served in canary.")]
Seen = Annotated[Stage | None, typer.Option("--from", help="The stage that you saw; refused at another one by now.")]
BY = "operator"


def rollout(
    number: PlanNumber,
    collection: CollectionOption = "default",
    stage: Annotated[Stage, typer.Option(help="shadow or canary.")] = Stage.SHADOW,
    share: Share = DEFAULT_SHARE,
    unit: Annotated[Unit, typer.Option(help="What always gets the same plan.")] = Unit.SESSION,
    advance_after: Annotated[
        int, typer.Option(min=0, help="Go on by itself after so many searches without regress; 0: by hand.")
    ] = 0,
    answer_ms: Annotated[
        float, typer.Option(min=0, help="What an answer of another model may take; 0: 1.3 times what it takes now.")
    ] = 0.0,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Let a plan go out: compared in the background, then for a share, then for all; it goes back by itself."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        options: dict[str, Any] = {"stage": stage, "share": share, "unit": unit, "advance_after": advance_after}
        options["answer_ms"] = answer_ms
        begun = steps.begin(kb, found, number or None, BY, **options, reason=reason)
        shown = rollout_json(kb.catalog, found, begun)
    _show(shown, as_json)


def advance(
    collection: CollectionOption = "default",
    share: Annotated[float | None, typer.Option(help="A share; without one, the next stage.")] = None,
    reason: Reason = "",
    seen: Seen = None,
    as_json: AsJson = False,
) -> None:
    """The next step of the rollout: canary, a larger share, or all."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        moved = steps.advance(kb, found, steps.newest(kb, found, seen), share, BY, reason)
        shown = rollout_json(kb.catalog, found, moved)
    _show(shown, as_json)


def status(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """The rollout that runs, or the last one, with what was counted."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        shown = rollout_json(kb.catalog, found, steps.newest(kb, found))
    _show(shown, as_json)


def stop(
    collection: CollectionOption = "default", reason: Reason = "", seen: Seen = None, as_json: AsJson = False
) -> None:
    """End the rollout; what served before goes on to serve, or serves again."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        ended = steps.stop(kb, found, steps.newest(kb, found, seen), BY, reason)
        shown = rollout_json(kb.catalog, kb.catalog.collections.get(collection), ended)
    _show(shown, as_json)


def add_to(app: typer.Typer) -> None:
    """Make these commands of `kb plans`."""
    for command in (rollout, advance, status, stop):
        app.command()(command)


def _show(rollout: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(rollout)
        return
    plan = rollout["plan_id"] or "0 (default)"
    out.print(f"rollout {rollout['id']} of plan {plan} in {rollout['collection']}: {rollout['stage']}, ", end="")
    out.print(
        f"share {rollout['share']:g} by {rollout['unit']}" + (f"; {rollout['reason']}" if rollout["reason"] else "")
    )
    for stage in rollout["stages"]:
        _show_stage(stage)
    if rollout["ended_at"] is None:
        here = f"-c {rollout['collection']}"
        out.print(f"go on by `kb plans advance {here}`, end it by `kb plans stop {here}`")


def _show_stage(stage: dict[str, Any]) -> None:
    table = table_of(stage["stage"], "searches", "errors", "no hit", "up", "down", "p50 ms", "p95 ms")
    for arm in ("serving", "candidate"):
        figures = [stage[arm][name] for name in ("searches", "errors", "empty", "helpful", "unhelpful")]
        times = ["" if stage[arm][name] is None else f"{stage[arm][name]:.1f}" for name in ("p50_ms", "p95_ms")]
        table.add_row(arm, *map(str, figures), *times)
    out.print(table)
    for arm in ("serving", "candidate"):
        if stage[arm]["answers"]:
            told = (
                f"{counted(stage[arm]['answers'], 'answer')}, {stage[arm]['answers_failed']} of them by another model"
            )
            out.print(f"{arm}: {told}, p95 {stage[arm]['answer_p95_ms']:.0f} ms")
    if stage["overlap"] is not None:
        out.print(
            f"{counted(stage['pairs'], 'search', 'searches')} compared: "
            f"{stage['overlap']:.0%} of the first 10 documents are the same"
        )
    for check in stage["checks"]:
        if check["evidence"] is None or check["evidence"] > 1:
            out.print(f"{'WORSE' if check['is_worse'] else 'noted'}: {check['words']}")

"""`kb plans`: list, add, compare, promote and roll back a collection's plans."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.commands import rollouts
from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, plan_in, print_json, table_of
from api.plans.fitting_plan import back_to_former, require_servable
from retrieval.catalog.plans import ANY, PlanRecord
from retrieval.plan import DEFAULT_PLAN
from retrieval.stored_plan import stored_plan

app = typer.Typer(help="Plans: how a collection is searched.", no_args_is_help=True)
rollouts.add_to(app)

PlanNumber = Annotated[int, typer.Argument(help="Number of the plan; 0 is the built-in default.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the switch.")]
Seen = Annotated[
    int | None,
    typer.Option("--from", min=0, help="The plan that you saw serving; refused where another one serves by now."),
]


@app.command("list")
def list_plans(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Every plan of a collection; the serving one is marked."""
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        plans = [_shown(plan, record.plan_id) for plan in kb.catalog.plans.all(record)]
    default = {"id": 0, "name": "default", "digest": DEFAULT_PLAN.digest, "origin": "built-in"}
    rows = [default | {"serving": record.plan_id is None}, *plans]
    if as_json:
        print_json({"plans": rows})
        return
    table = table_of("", "id", "name", "digest", "origin")
    for row in rows:
        table.add_row("*" if row["serving"] else "", str(row["id"]), row["name"], row["digest"], row["origin"])
    out.print(table)


@app.command()
def show(number: PlanNumber = 0, collection: CollectionOption = "default") -> None:
    """A plan as JSON."""
    with knowledge_base() as kb:
        out.print_json(stored_plan(kb.catalog, kb.catalog.collections.get(collection), number or None).to_json())


@app.command()
def add(
    plan: Annotated[typer.FileText, typer.Argument(help="The plan as JSON.")],
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Store a plan; it does not serve before it is promoted."""
    parsed = plan_in(plan)
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        stored = kb.catalog.plans.add(record, name or parsed.digest, parsed.to_dict(), parsed.digest, "operator")
    if as_json:
        print_json(_shown(stored, record.plan_id))
    else:
        serve = f"kb plans promote {stored.id} -c {collection}"
        out.print(f"plan {stored.id} ({stored.digest}) is stored; let it serve by `{serve}`")


@app.command()
def diff(
    number: PlanNumber,
    other: Annotated[int, typer.Argument(help="The plan to compare with.")] = 0,
    collection: CollectionOption = "default",
) -> None:
    """The choices in which two plans differ."""
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        one = stored_plan(kb.catalog, record, number or None).to_dict()
        two = stored_plan(kb.catalog, record, other or None).to_dict()
    table = table_of("choice", str(number), str(other))
    for choice in one | two:
        if one.get(choice) != two.get(choice):
            table.add_row(choice, str(one.get(choice)), str(two.get(choice)))
    out.print(table)


@app.command()
def promote(
    number: PlanNumber, collection: CollectionOption = "default", reason: Reason = "", seen: Seen = None
) -> None:
    """Let a plan serve from now on; running servers follow within a second."""
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        chosen = stored_plan(kb.catalog, record, number or None)
        require_servable(kb, record, chosen)
        kb.catalog.plans.promote(record, number or None, "operator", reason, seen=_plan_seen(seen))
        kb.catalog.audit.record("operator", "plans.promote", f"{collection}/{number}", {"reason": reason})
    out.print(f"plan {number} serves {collection}; go back by `kb plans roll-back -c {collection}`")


@app.command("roll-back")
def roll_back(collection: CollectionOption = "default", reason: Reason = "", seen: Seen = None) -> None:
    """Return to the plan that served before."""
    with knowledge_base() as kb:
        record = kb.catalog.collections.get(collection)
        number = back_to_former(kb, record, "operator", reason, _plan_seen(seen))
        kb.catalog.audit.record("operator", "plans.roll_back", f"{collection}/{number or 0}", {"reason": reason})
    out.print(f"plan {number or 0} serves {collection} again")


def _plan_seen(number: int | None) -> int | None:
    return ANY if number is None else number or None


def _shown(plan: PlanRecord, serving: int | None) -> dict[str, Any]:
    fields = {name: getattr(plan, name) for name in ("id", "name", "digest", "origin", "created_at")}
    return fields | {"serving": plan.id == serving}

"""`kb experiments`: what the search core tried, beside each other, once more; whether a log is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.commands.shared import AsJson, CollectionOption, knowledge_base, out, print_json, table_of
from api.commands.tune import run
from api.jobs.experiment_state import state_of
from api.knowledge_base import KnowledgeBase
from infra.wording import counted
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.errors import InvalidInputError
from search_core.artifact.artifacts import RUN_ARTIFACT, RUNS, load_artifact
from search_core.errors import ArtifactError
from search_core.log.log_check import log_troubles
from search_core.log.log_comparison import compare_runs, is_cut_short
from search_core.log.replaying import replay_verdict, timed_of
from search_core.log.run_lock import is_running
from search_core.log.run_start import STANDS_ON
from search_core.questions.supervision import origin_of
from search_core.request import Request, without_questions
from search_core.time_decisions import TIMED

app = typer.Typer(help="Experiments: what the search core tried.", no_args_is_help=True)

ExperimentId = Annotated[str, typer.Argument(help="The experiment's id.")]
CHANGED = 3  # exit status of a replay on another corpus
LONG = 16  # characters of an id, and of a value that a table shows
WHOLE = {"id": LONG, "architecture": LONG, "begun": 16, "gain": 7, "p": 6}  # column -> its characters: never cut


@app.command("list")
def list_experiments(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """The experiments of a collection, newest first."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        rows = [_row(one, state_of(kb, found, one)) for one in kb.catalog.experiments.all(found)]
    if as_json:
        print_json({"experiments": rows})
        return
    table = table_of("id", "begun", "state", "seed", "trials", "gain", "p", "promoted", whole=WHOLE)
    for row in rows:
        begun = f"{row['created_at']:%Y-%m-%d %H:%M}"
        numbers = [_number(row["lift"], "+.4f"), _number(row["p_value"], ".4f"), "yes" if row["promoted"] else ""]
        table.add_row(row["id"], begun, row["state"], str(row["seed"]), str(row["trials"]), *numbers)
    out.print(table)


@app.command()
def show(
    experiment: ExperimentId,
    collection: CollectionOption = "default",
    last: Annotated[int, typer.Option(min=1, help="So many of the newest trials; --json has all.")] = 50,
    as_json: AsJson = False,
) -> None:
    """An experiment with its trials: what was asked, what came of it, what each trial earned and cost."""
    with knowledge_base() as kb:
        record = kb.catalog.experiments.get(kb.catalog.collections.get(collection), experiment)
        trials, troubles = _looked_at(kb, record)
        state = state_of(kb, kb.catalog.collections.get(collection), record)
    asked = without_questions(record.request)
    if as_json:
        about = {"id": record.id, "state": state, "request": asked, "result": record.result}
        print_json(about | {"trials": trials, "log_troubles": troubles})
        return
    out.print(f"experiment {record.id}: {state.value}, seed {asked['seed']}, budget {asked['budget']}")
    _show_result(record.result or {}, kb.settings.data_dir)
    _show_trials(trials[-last:], len(trials))
    for trouble in troubles:
        out.print(f"the log was altered: {trouble}")


@app.command()
def compare(
    one: ExperimentId,
    other: Annotated[str, typer.Argument(help="Another experiment's id.")],
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Two experiments beside each other: what was asked, what came of it, where they parted."""
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        records = [kb.catalog.experiments.get(found, name) for name in (one, other)]
        runs = [(record.request, record.result, kb.catalog.experiments.trials(record.id)) for record in records]
    told = compare_runs(runs[0], runs[1])
    if as_json:
        print_json(told)
        return
    table = table_of("", one, other)
    for row in (*told["asked"], *told["came"], *told["chosen"]):
        if (row["one"], row["other"]) != (None, None):
            mark = "" if row["one"] == row["other"] else "*"
            table.add_row(f"{row['name']} {mark}".strip(), _cell(row["one"]), _cell(row["other"]))
    out.print(table)
    parted = told["parted"]
    out.print("both went the same way" if parted is None else f"they part at trial {parted}")
    both = told["both_tried"]
    if both["candidates"]:
        apart = both["apart_at_most"]
        out.print(
            f"{counted(both['candidates'], 'candidate was', 'candidates were')} scored by both, "
            f"at most {apart:.4f} apart"
        )


@app.command()
def replay(experiment: ExperimentId, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Run an experiment again with its seed and say whether it went the same way. Promotes nothing.

    Exits with 1 where it did not, with 3 where the corpus, the questions or what embeds them changed since.
    """
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        record = kb.catalog.experiments.get(found, experiment)
        if record.result is None or "trajectory" not in record.result:
            raise InvalidInputError(
                f"experiment {experiment!r} is {state_of(kb, found, record).value}; only a finished one can be replayed"
            )
        against = {name: value for name, value in record.result["incumbent"].items() if name != "digest"}
        about = {"promote": False, "against": against, "earlier_runs": record.result.get("earlier_runs")}
        about |= _same_questions(kb, found, record) | {TIMED: timed_of(record.result)}
        request = Request.from_dict(record.request | about)
        again = run(kb, request, "", as_json).to_dict()
        runs = [kb.catalog.experiments.trials(name) for name in (record.id, again["experiment"])]
        changed = _changed(kb, record, kb.catalog.experiments.get(found, again["experiment"]))
    verdict = replay_verdict(record.result, again, cut_short=is_cut_short(runs[0], runs[1]))
    if as_json:
        print_json({"experiment": again["experiment"]} | verdict | {"changed": changed})
    else:
        if changed:
            out.print(changed)
        for name, value in verdict["same"].items():
            out.print(f"{name}: {'the same' if value else 'DIFFERENT'}")
        if verdict["cut_short"]:
            out.print("the trials are the same as far as the shorter run went: the time budget ended one earlier")
        out.print(f"sealed means are at most {verdict['metrics_apart']:.4f} apart ({verdict['mode']} mode)")
    if not verdict["agrees"]:
        raise typer.Exit(CHANGED if changed else 1)


@app.command()
def verify(experiment: ExperimentId, collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Whether the log of an experiment is what was written; an altered line is named."""
    with knowledge_base() as kb:
        record = kb.catalog.experiments.get(kb.catalog.collections.get(collection), experiment)
        trials, troubles = _looked_at(kb, record)
    if as_json:
        print_json({"experiment": record.id, "trials": len(trials), "troubles": troubles})
    else:
        for trouble in troubles or (f"the log holds {counted(len(trials), 'trial')} as written",):
            out.print(trouble)
    if troubles:
        raise typer.Exit(1)


def _changed(kb: KnowledgeBase, first: ExperimentRecord, again: ExperimentRecord) -> str | None:
    """What a replay cannot be the same for; None where it stands on the same."""
    stood = [record.request.get(STANDS_ON) for record in (first, again)]
    if None in stood or stood[0] == stood[1]:
        return None
    seqs = [_seq(kb, record) for record in (first, again)]
    told = f" (operation {seqs[0]} then, {seqs[1]} now)" if None not in seqs and seqs[0] != seqs[1] else ""
    return f"the corpus, the questions or the encoder changed since{told}: a replay cannot go the same way"


def _seq(kb: KnowledgeBase, record: ExperimentRecord) -> int | None:
    """The operation that a run's corpus was read at; None where its artifact is gone."""
    try:
        return load_artifact(kb.settings.data_dir / RUNS / record.id / RUN_ARTIFACT).manifest.get("seq")
    except ArtifactError:
        return None


def _looked_at(kb: KnowledgeBase, record: ExperimentRecord) -> tuple[list[dict[str, Any]], list[str]]:
    """The trials, and what is wrong with their log."""
    folder = kb.settings.data_dir / RUNS / record.id
    grows = is_running(folder)
    trials = kb.catalog.experiments.trials(record.id)
    return trials, log_troubles(folder, trials, grows=grows)


def _same_questions(kb: KnowledgeBase, collection: Collection, record: ExperimentRecord) -> dict[str, Any]:
    """Where none was named: what was asked then, whatever evaluation sets were stored since."""
    if record.request.get("eval_set") or record.request.get("qrels") is not None:
        return {}
    told = (record.result or {}).get("supervision") or {}
    if not told.get("judged", True):
        return {"made_questions": True}
    names = [one.name for one in kb.catalog.eval_sets.all(collection) if origin_of(one.name) == told.get("origin")]
    return {"eval_set": names[0]} if names else {}


def _row(record: ExperimentRecord, state: ExperimentState) -> dict[str, Any]:
    came = {name: (record.result or {}).get(name) for name in ("lift", "p_value", "promoted")}
    about = {"id": record.id, "state": state.value, "trials": record.trials, "created_at": record.created_at}
    return about | {"seed": record.request.get("seed")} | came


def _show_result(result: dict[str, Any], data_dir: Path) -> None:
    if "error" in result:
        out.print(f"it failed: {result['error']}")
    if "lift" in result:
        low, high = result["lift_interval"]
        out.print(
            f"gain {result['lift']:+.4f} of {result.get('metric', 'ndcg@10')} ({low:+.4f} to {high:+.4f}), "
            f"p = {result['p_value']:.4f}, {counted(result['sealed_questions'], 'sealed question')}; "
            f"{result['cpu_seconds']:.0f} CPU s"
        )
        out.print(f"plan {result['plan']['digest']}; artifact {data_dir / result['artifact']['folder']}")
        for reason in result["reasons"]:
            out.print(f"nothing was promoted: {reason}")


def _show_trials(trials: list[dict[str, Any]], count: int) -> None:
    """Some of earlier versions lack a tier and processor time."""
    out.print(
        f"{len(trials)} of {counted(count, 'trial')}; `share` is of the questions asked, "
        "`ms` what a search would cost more"
    )
    table = table_of("trial", "tier", "policy", "architecture", "share", "reward", "all", "ms", "CPU s", whole=WHOLE)
    for trial in trials:
        cost = _number((trial.get("cost") or {}).get("serving_ms"), ".1f")
        who = (str(trial["number"]), trial.get("tier", ""), trial["policy"], trial["architecture"]["digest"])
        earned = (f"{trial['fidelity']:g}", _number(trial["reward"], ".4f"), _number(trial["whole"], ".4f"))
        table.add_row(*who, *earned, cost, _number(trial.get("cpu_seconds"), ".3f"))
    out.print(table)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list | tuple) and value and all(isinstance(one, int | float) for one in value):
        return ", ".join(f"{one:.5g}" for one in value)
    return "" if value is None else str(value)[:LONG]

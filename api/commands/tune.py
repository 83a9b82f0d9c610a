"""`kb tune`: let the search core look for a better plan."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.progress import Progress

from api.commands.shared import AsJson, CollectionOption, err, knowledge_base, out, print_json, progress_bar, table_of
from api.generations.tuned_encoder import let_serve
from api.knowledge_base import KnowledgeBase
from infra.wording import counted
from retrieval.errors import InvalidInputError, OutageError
from retrieval.evaluation.runs import read_qrels, read_queries
from search_core.errors import ArtifactError
from search_core.offered_encoders import waits
from search_core.proof.reasons import ReasonCode
from search_core.questions.splits import BY_DOCUMENT
from search_core.reader.data import read_answers
from search_core.request import ANSWER_TASK, AT_ONCE, DEFAULT_POLICY, DEFAULT_SPACE, MAX_THREADS, Request
from search_core.result import Result
from search_core.trainer import AutoModelTrainer

BESIDE_RESUME = ("resume", "collection", "as_json")  # options that do not say how a run goes


def tune(
    context: typer.Context,
    queries: Annotated[Path | None, typer.Option(help='JSON lines {"id", "text"}.')] = None,
    qrels: Annotated[Path | None, typer.Option(help="Tab separated: query-id, corpus-id, score.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help='For --task answer: JSON lines {"id", "answers"} for --queries.')
    ] = None,
    collection: CollectionOption = "default",
    eval_set: Annotated[str, typer.Option(help="A stored evaluation set, instead of files.")] = "",
    made_questions: Annotated[
        bool, typer.Option("--made-questions", help="Ask what is made from the documents; promotes nothing.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="What parts of the questions do not share: document, or question alone.")
    ] = BY_DOCUMENT,
    budget: Annotated[str, typer.Option(help="Time for the run, such as 90s, 5m or 1h.")] = "5m",
    seed: Annotated[int, typer.Option(help="Equal seeds give equal trials.")] = 0,
    task: Annotated[str, typer.Option(help="A task's name, or a sentence that says what is wanted.")] = "text-to-graph",
    metric: Annotated[
        str, typer.Option(help="What it is judged by, such as recall@5 or ndcg@100; by default ndcg@10.")
    ] = "",
    latency_ms: Annotated[
        float | None, typer.Option(help="That a search, or an answer, may take; by default what the task says.")
    ] = None,
    space: Annotated[str, typer.Option(help="Search space: a name, or a YAML file.")] = DEFAULT_SPACE,
    policy: Annotated[str, typer.Option(help="What proposes candidates; `kb modules` lists them.")] = DEFAULT_POLICY,
    tiers: Annotated[
        str, typer.Option(help="Of plan,adapter,graph,encoder,ranker,precedents; by default what the budget allows.")
    ] = "",
    max_epochs: Annotated[int, typer.Option(min=1, help="How often the policy is asked.")] = 50,
    promote: Annotated[bool, typer.Option(help="Let a proven winner serve at once.")] = True,
    rollout: Annotated[str, typer.Option(help="Instead of at once: shadow or canary, step by step.")] = AT_ONCE,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard's event files into the run's folder.")] = False,
    encoders: Annotated[
        str, typer.Option(help="Encoders to consider beside the one that serves, such as bge-small-zh-v1.5.")
    ] = "",
    device: Annotated[str, typer.Option(help="Where encoders are trained: cpu, or a GPU such as cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=MAX_THREADS, help="That train encoders on the processor.")] = 1,
    fast: Annotated[
        bool, typer.Option("--fast", help="Train encoders in bf16 where that is faster; replays agree roughly.")
    ] = False,
    resume: Annotated[str, typer.Option(help="Id of an experiment that was stopped.")] = "",
    as_json: AsJson = False,
) -> None:
    """Search for a better plan on judged questions, prove it on sealed ones, let it serve. Ctrl-C keeps the best."""
    if resume:
        _goes_on_as_asked(context)
    if eval_set and (queries is not None or answers is not None):
        raise InvalidInputError("--eval-set and --queries each name the questions; give one of them")
    if answers is not None and (queries is None or task != ANSWER_TASK):
        raise InvalidInputError(f"--answers belongs to --queries and --task {ANSWER_TASK}; give all three")
    if answers is None and (queries is None) != (qrels is None):
        raise InvalidInputError("--queries and --qrels belong together; give both, or neither")
    request = Request(
        task=task,
        search_space=space,
        max_epochs=max_epochs,
        collection=collection,
        budget=budget,
        seed=seed,
        policy=policy,
        eval_set=eval_set,
        made_questions=made_questions,
        queries=None if queries is None else read_queries(queries),
        qrels=None if qrels is None else read_qrels(qrels),
        answers=None if answers is None else read_answers(answers),
        split=split,
        metric=metric,
        latency_ms=latency_ms,
        promote=promote,
        rollout=rollout,
        tiers=tiers,
        tensorboard=tensorboard,
        encoders=encoders,
        device=device,
        threads=threads,
        fast=fast,
    )
    with knowledge_base() as kb:
        told = None
        if resume:
            record = kb.catalog.experiments.get(kb.catalog.collections.get(collection), resume)
            request = Request.from_dict(record.request)
            if record.result is not None and waits(record.result):  # ended while the generation was built
                told = record.result
        told = _with_its_encoder(kb, collection, told or run(kb, request, resume, as_json).to_dict())
    print_json(told) if as_json else _show(told, collection, kb.settings.data_dir)


def _goes_on_as_asked(context: typer.Context) -> None:
    """Raises `InvalidInputError` where options are given that a run which goes on would not heed."""
    given = []
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in BESIDE_RESUME and source is not None and source.name == "COMMANDLINE":
            no = option.secondary_opts and not context.params.get(option.name or "")
            given.append((option.secondary_opts if no else option.opts)[0])
    if given:
        raise InvalidInputError(
            f"--resume goes on as the experiment was asked for, without {', '.join(given)}; leave that out, or start "
            "another one"
        )


def run(kb: KnowledgeBase, request: Request, experiment: str, as_json: bool) -> Result:
    """A run with its progress on standard error; with the id of an experiment, that one goes on."""
    with progress_bar("tuning") as progress:
        trainer = AutoModelTrainer.of(
            request,
            settings=kb.settings,
            catalog=kb.catalog,
            encoder_of=kb.open_encoder,
            progress=lambda told: _advance(progress, told),
            experiment=experiment,
        )
        if not as_json:
            err.print(f"task: {trainer.spec.describe()}")
        try:
            with _stopping(trainer):
                return trainer.run()
        except (ArtifactError, OutageError, KeyboardInterrupt):  # what ends a run that is sound itself
            if trainer.experiment:
                again = f"`kb tune -c {request.collection} --resume {trainer.experiment}`"
                err.print(f"what was tried is kept: {again} goes on", soft_wrap=True)
            raise


def _with_its_encoder(kb: KnowledgeBase, collection: str, told: dict[str, Any]) -> dict[str, Any]:
    """The result once a tuned encoder serves, where one was proven; that it takes over needs no server."""
    if not waits(told):
        return told
    with progress_bar("embedding") as progress:
        task = progress.task_ids[0]

        def report(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        return dict(let_serve(kb, collection, told["experiment"], told, report))


def _advance(progress: Progress, told: dict[str, Any]) -> None:
    text = f"{told['tier']} tier, trial {told['trial']}, best {told['best']:.4f}, {told['left']:.0f} s left"
    progress.update(progress.task_ids[0], advance=1, description=text)


@contextmanager
def _stopping(trainer: AutoModelTrainer) -> Iterator[None]:
    """The first Ctrl-C ends the search and goes on with what was found; the second one ends the command."""
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        err.print("stopping: what was found is tested now; Ctrl-C again ends at once")
        trainer.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show(told: dict[str, Any], collection: str, data_dir: Path) -> None:
    asked, before, after = told["supervision"], told.get("serving", told["default"]), told["tuned"]
    out.print(f"{counted(asked['questions'], 'question')}: {asked['origin']}", markup=False)
    for note in asked["notes"]:
        out.print(note, markup=False)
    for stage in told["stages"]:
        out.print(_stage_line(stage))
    table = table_of("on sealed questions", "before", "after")
    for metric, value in before.items():
        table.add_row(metric, f"{value:.4f}", f"{after[metric]:.4f}")
    out.print(table)
    low, high = told["lift_interval"]
    metric = told.get("metric", "ndcg@10")  # an experiment of an earlier version does not say
    gain = f"gain {told['lift']:+.4f} in {metric} ({low:+.4f} to {high:+.4f}), p = {told['p_value']:.4f}"
    out.print(f"{gain}, {counted(told['sealed_questions'], 'question')}")
    folder = data_dir / told["artifact"]["folder"]
    out.print(f"{counted(told['trials'], 'trial')} in {told['seconds']:.0f} s; artifact in {folder}")
    if told["promoted"]:
        back = f"`kb plans roll-back -c {collection}` returns to the one before"
        out.print(f"plan {told['plan']['id']} serves now; {back}")
    if told.get("generation"):
        back = f"`kb generations rollback -c {collection}` returns to the one before"
        out.print(f"generation {told['generation']} serves now; {back}")
    for reason, code in zip_longest(told["reasons"], told.get("reason_codes", ())):
        out.print(reason if code == ReasonCode.ROLLOUT_BEGAN else f"nothing was promoted: {reason}")


def _stage_line(stage: dict[str, Any]) -> str:
    """Such as: adapter: 6 trials, 12 CPU s, +0.0210 on the questions it chose by, kept."""
    gain = "" if stage["gain"] is None else f", {stage['gain']:+.4f} on the questions it chose by"
    end = ("kept" if stage["kept"] else "not kept") + (f": {stage['reason']}" if stage["reason"] else "")
    policy = stage["policy"]
    steps_back = f"; the policy {policy.get('says', 'stepped back')}" if policy.get("steps_back") else ""
    tried = f"{stage['tier']} tier: {counted(stage['trials'], 'trial')}"
    return f"{tried}, {stage['cpu_seconds']:.0f} CPU s{gain}; {end}{steps_back}"

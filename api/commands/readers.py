"""`kb readers`: train, install, list, measure and use span readers, which answer with the very words of a passage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from api import readers
from api.commands.shared import AsJson, CollectionOption, err, knowledge_base, out, print_json, progress_bar, table_of
from infra.wording import counted
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.encoder.model_folder import DEFAULT_MODEL
from search_core.reader.data import read_texts
from search_core.reader.evaluation import ReaderScores, picker_scores, read_all, scores_of
from search_core.reader.recipe import ReaderRecipe
from search_core.request import MAX_SEED, MAX_THREADS

app = typer.Typer(help="Readers: models that answer with words of a passage.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The reader's name.")]
Questions = Annotated[list[Path], typer.Option(help="SQuAD file of questions with answers, plain or .gz; repeatable.")]
Articles = Annotated[str, typer.Option(help="Keep the articles whose titles a JSON file lists: FILE:KEY.")]
Device = Annotated[str, typer.Option(help="Where to train, as PyTorch names it: cpu, cuda.")]
Threads = Annotated[int, typer.Option(min=1, max=MAX_THREADS, help="Threads to train with.")]


@app.command()
def train(
    name: Name,
    questions: Questions,
    articles: Articles = "",
    texts: Annotated[list[Path] | None, typer.Option(help="JSON lines with texts to practise on; repeatable.")] = None,
    collection: Annotated[str, typer.Option("--collection", "-c", help="Practise on its documents too.")] = "",
    base: Annotated[str, typer.Option(help="Encoder to begin from: a name or a folder.")] = DEFAULT_MODEL,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the questions.")] = 4,
    practice: Annotated[
        int | None, typer.Option(min=0, help="Questions made from texts; 20000 for a new script.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs whose weights are averaged.")] = 1,
    teachers: Annotated[int, typer.Option(min=0, help="Readers trained first, to learn from.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Examples of a step.")] = 32,
    rate: Annotated[float, typer.Option(min=0, help="AdamW's learning rate at its highest.")] = 2e-4,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Equal seeds give equal examples.")] = 0,
    threads: Threads = 1,
    device: Device = "cpu",
    bf16: Annotated[bool, typer.Option(help="Round products to bfloat16; for hardware that has it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a reader. A tenth of the articles is held out: it gives the confidence, and the figures shown."""
    recipe = ReaderRecipe(epochs, practice, runs, teachers, batch, rate, "int8", seed, threads, device, bf16)
    found = readers.questions_of(questions, articles)
    plain = [text for file in texts or () for text in read_texts(file)]
    with knowledge_base() as kb, progress_bar("training") as progress:
        plain += readers.texts_of(kb, collection)
        made = readers.make_reader(kb, name, base, found, plain, recipe, lambda *told: _advance(progress, *told))
    if as_json:
        print_json(made.to_dict())
        return
    out.print(
        f"reader {name} is made ({made.precision}), from {counted(made.questions, 'question')}; it is in {made.folder}"
    )
    _say(made.scores, made.note, made.held_out)


@app.command()
def install(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A Hugging Face question answering model: BERT, RoBERTa, XLM-R.")],
    questions: Annotated[list[Path] | None, typer.Option(help="SQuAD file to calibrate on; repeatable.")] = None,
    precision: Annotated[str, typer.Option(help="int8 or fp32.")] = "int8",
    as_json: AsJson = False,
) -> None:
    """Take a published reader; with questions it learns how sure it may be."""
    found = readers.questions_of(questions or ())
    with knowledge_base() as kb:
        target, scores, note = readers.install_reader(kb, name, folder, found, precision)
    if as_json:
        print_json({"folder": str(target), "scores": None if scores is None else scores.to_dict(), "note": note})
        return
    out.print(f"reader {name} is in {target}")
    _say(scores, note, len(found))


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """The readers of the data folder, with their figures on questions held out of training."""
    with knowledge_base() as kb:
        found = readers.list_readers(kb)
    if as_json:
        print_json({"readers": found})
        return
    table = table_of("name", "from", "precision", "exact", "F1", "refusals", "")
    for one in found:
        figures = (_percent(one.get(key)) for key in ("exact", "f1", "refusal_f1"))
        columns = (one["name"], str(one.get("base") or ""), str(one.get("precision") or ""))
        table.add_row(*columns, *figures, one.get("problem", ""))
    out.print(table)


@app.command()
def evaluate(
    name: Name,
    questions: Questions,
    articles: Articles = "",
    most: Annotated[int, typer.Option(min=1, help="At most so many questions, the first ones.")] = 100_000,
    as_json: AsJson = False,
) -> None:
    """Measure a reader on questions with answers, each in its own passage, beside the sentence picker."""
    found = readers.questions_of(questions, articles)[:most]
    with knowledge_base() as kb, readers.opened_reader(kb, name) as reader:
        answered, milliseconds = read_all(reader, found)
        encoder = kb.open_encoder(kb.settings.encoder)
        sentences = picker_scores(ExtractiveGenerator(encoder, Analyzer()), [one for one in found if one.answers])
    scores = scores_of(answered, milliseconds)
    if as_json:
        print_json({"reader": scores.to_dict(), "sentences": sentences})
        return
    _say(scores, "", scores.questions)
    said = ", ".join(f"{key} {value:.1f}" for key, value in sentences.items())
    out.print(f"the sentence picker on the same questions: {said}")


@app.command()
def use(
    name: Annotated[str, typer.Argument(help="A reader's name, or `sentences`.")],
    collection: CollectionOption = "default",
) -> None:
    """Let a reader answer for a collection, without a test; `kb tune --task answer` is the way with one."""
    with knowledge_base() as kb:
        plan = readers.use_reader(kb, kb.catalog.collections.get(collection), name, "operator")
    out.print(f"plan {plan.id} serves {collection} with {plan.name}; go back by `kb plans roll-back -c {collection}`")


def _advance(progress: Progress, stage: str, done: int, total: int, loss: float) -> None:
    progress.update(progress.task_ids[0], completed=done, total=total, description=f"{stage}, loss {loss:.3f}")


def _say(scores: ReaderScores | None, note: str, questions: int) -> None:
    if scores is None:
        err.print(f"its confidence is not calibrated: {note}")
        return
    figures: list[tuple[str, Any]] = [
        ("exact match", scores.exact),
        ("F1", scores.f1),
        ("F1, refusing being an answer", scores.whole_f1),
        ("refusals, F1", scores.refusal_f1),
        ("calibration error", scores.calibration_error),
    ]
    table = table_of(f"on {counted(questions, 'question')}", "%")
    for figure, value in figures:
        table.add_row(figure, _percent(value))
    out.print(table)


def _percent(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.1f}"

"""Makes a span reader from questions with answers: vocabulary, practice on plain text, training, calibration, export.

questions ─▶ articles held out for calibration, the rest to learn from ─▶ (new pieces for unknown characters, practice)
─▶ one or more runs, their weights averaged ─▶ int8 graph, checked ─▶ confidence from the held-out part ─▶ folder
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import random
import tempfile
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.wording import counted
from retrieval.answer.reader import OnnxReader, load_tokenizer
from retrieval.answer.reader_folder import TOKENIZER_FILE, Calibration
from retrieval.answer.reader_input import SCHEME
from retrieval.encoder.model_folder import read_folder
from retrieval.errors import ReaderError
from retrieval.folder_exchange import put_in_place
from search_core.errors import SupervisionError
from search_core.reader.card import write_card
from search_core.reader.cloze import cloze_questions, cut
from search_core.reader.data import Example, Question, examples
from search_core.reader.evaluation import MIN_EXAMPLES, ReaderScores, calibrate, crossed, read_all, scores_of
from search_core.reader.export import SCHEME_KEY, export_reader, layout_of, recalibrate
from search_core.reader.lessons import write_lessons
from search_core.reader.model import open_model
from search_core.reader.teaching import taught
from search_core.reader.training import TrainingOptions, train
from search_core.tuning.devices import check_device
from search_core.tuning.vocabulary import extend, survey

logger = logging.getLogger(__name__)

MIN_QUESTIONS = 100  # to learn from and to calibrate on; fewer are remembered rather than understood
HELD_OUT = 0.1  # share of the articles that calibration is measured on
MAX_HELD_OUT = 600  # questions of them; more cost time and change nothing
UNKNOWN_SHARE = 0.05  # of running words, from which on a vocabulary is extended
PRACTICE = 20_000  # questions of practice for a vocabulary that was extended, unless told otherwise
CLOZES_EACH = 6  # of a passage

Told = Callable[[str, int, int, float], None]  # what is done, how much of how much, and the loss


@dataclass(frozen=True, slots=True)
class ReaderRecipe:
    """How a reader is made. `practice` None: `PRACTICE` where the vocabulary was extended, else none.

    `runs` are trained from the same start with another order of examples, and their weights averaged. With `teachers`
    so many are trained first, whose mean opinion is half of what is learnt from answered questions.
    """

    epochs: int = 4
    practice: int | None = None
    runs: int = 1
    teachers: int = 0
    batch: int = 32
    rate: float = 2e-4
    precision: str = "int8"
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    bf16: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """What was made, and its figures on the articles held out of training (None where they did not suffice)."""

    folder: Path
    precision: str
    questions: int
    held_out: int
    new_pieces: int
    losses: tuple[float, ...]
    scores: ReaderScores | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        scores = None if self.scores is None else self.scores.to_dict()
        return asdict(self) | {"folder": str(self.folder), "scores": scores}


def train_reader(
    base: Path,
    target: Path,
    questions: Sequence[Question],
    texts: Sequence[str],
    recipe: ReaderRecipe,
    told: Told = lambda *_: None,
    wanted: Callable[[], None] = lambda: None,
) -> Trained:
    """Make the reader folder `target` from the encoder in `base`; `texts` are for practice.

    `wanted` is called before each step of a training; what it raises ends it. Raises `InvalidInputError` for a device
    that PyTorch cannot use, `EncoderError` and `ReaderError` for a folder that holds no model, `SupervisionError`,
    `TrainingError` and `ArtifactError`; `target` is then as it was.
    """
    check_device(recipe.device)
    read_folder(base).weights_files()
    load_tokenizer(base / TOKENIZER_FILE)
    learnt, held = hold_out(questions, recipe.seed)
    with tempfile.TemporaryDirectory(prefix="reader-") as scratch:
        start, pieces = _start(base, Path(scratch) / "start", [*learnt, *held], texts, recipe.seed)
        tokenizer, layout = load_tokenizer(start / TOKENIZER_FILE), dataclasses.replace(_layout(start), kinds="matches")
        first_new = tokenizer.get_vocab_size() - pieces
        options = TrainingOptions(
            recipe.batch, recipe.rate, seed=recipe.seed, threads=recipe.threads, device=recipe.device, bf16=recipe.bf16,
            first_new=first_new if pieces else 1 << 30,
        )  # fmt: skip
        model = open_model(start, recipe.seed)
        practice = (PRACTICE if pieces else 0) if recipe.practice is None else recipe.practice
        clozes = cloze_questions([*texts, *_passages(learnt)], practice, recipe.seed, CLOZES_EACH) if practice else []
        losses = _practise(model, examples(tokenizer, clozes, layout), options, told, wanted)
        found = examples(tokenizer, learnt, layout)
        if recipe.teachers:
            told("teachers", 0, recipe.teachers, 0.0)
            found = taught(start, found, options, recipe.teachers, wanted)
        losses += _runs(model, found, options, recipe, told, wanted)
        trained = _saved(model, Path(scratch) / "trained", start)
        write_lessons(trained, learnt, held)
        facts = _facts(base, learnt, held, texts, recipe, pieces)
        told("measuring", 0, 1, losses[-1])
        scores, note = calibrated_reader(trained, target, held, facts, recipe.precision)
    return Trained(target, _precision(target), len(learnt), len(held), pieces, tuple(losses), scores, note)


def hold_out(questions: Sequence[Question], seed: int) -> tuple[list[Question], list[Question]]:
    """Questions to learn from and to calibrate on, split by article. Raises `SupervisionError` for too few.

    Articles that have questions without an answer are drawn for themselves: few among many, they might all be learnt
    from, and a reader that is calibrated on answered questions alone never refuses.
    """
    articles = sorted({question.article for question in questions})
    if len(questions) < MIN_QUESTIONS or len(articles) < 2:
        raise SupervisionError(
            f"a reader cannot be trained on {counted(len(questions), 'question')} of "
            f"{counted(len(articles), 'article')}; expected at least "
            f"{MIN_QUESTIONS} of two or more"
        )
    drawn = random.Random(seed)  # noqa: S311 - a split, not a secret
    apart = _apart(articles, {question.article for question in questions if not question.answers}, drawn)
    learnt = [question for question in questions if question.article not in apart]
    held = [question for question in questions if question.article in apart]
    return learnt, drawn.sample(held, min(len(held), MAX_HELD_OUT))


def adopt_reader(
    source: Path, target: Path, questions: Sequence[Question], precision: str
) -> tuple[ReaderScores | None, str]:
    """As `calibrated_reader`, of a model made elsewhere: it learnt from none of the questions, so all may calibrate it.

    Raises `SupervisionError` for questions too few to calibrate on.
    """
    if 0 < len(questions) < MIN_EXAMPLES:
        raise SupervisionError(
            f"a reader cannot be calibrated on {counted(len(questions), 'question')}; "
            f"give {MIN_EXAMPLES} or more, or none"
        )
    drawn = random.Random(0)  # noqa: S311 - a sample, not a secret
    held = drawn.sample(questions, min(len(questions), MAX_HELD_OUT))
    facts = {"base": source.name, "held_out": len(held)}
    return calibrated_reader(source, target, held, facts, precision)


def _apart(articles: Sequence[str], unanswered: AbstractSet[str], drawn: random.Random) -> frozenset[str]:
    """The articles held out: their share of both kinds, of each at least one where another one is left."""
    kinds = [[one for one in articles if (one in unanswered) == refusing] for refusing in (False, True)]
    held: list[str] = []
    for kind in kinds:
        drawn.shuffle(kind)
        least = 1 if len(kind) > 1 or (kind and not held) else 0
        held += kind[: max(least, round(len(kind) * HELD_OUT))]
    return frozenset(held)


def calibrated_reader(
    source: Path, target: Path, held: Sequence[Question], facts: dict[str, Any], precision: str
) -> tuple[ReaderScores | None, str]:
    """The reader folder `target` from the model in `source`, put in place once it is whole and calibrated.

    Its scores, or why there are none. Raises `ArtifactError`, `EncoderError` and `ReaderError`; `target` is then as it
    was.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".reader-", dir=target.parent) as scratch:
            made = Path(scratch) / "reader"
            export_reader(source, made, Calibration(), facts, write_card(facts, None), precision)
            scores, note = _calibrate(made, held, facts)
            put_in_place(made, target)
    except OSError as error:
        raise ReaderError(f"reader {target} cannot be written: {error}; free some space or name another one") from error
    return scores, note


def _calibrate(folder: Path, held: Sequence[Question], facts: dict[str, Any]) -> tuple[ReaderScores | None, str]:
    """Give the reader its confidence from questions that it has not seen; its scores, or why there are none.

    The scores are with the confidence of the other half of the articles each where that is possible.
    """
    if not held:
        return None, "no questions were given, so its confidence is not calibrated"
    reader = OnnxReader(folder, 1)
    try:
        found, milliseconds = read_all(reader, held)
    finally:
        reader.close()
    try:
        calibration = calibrate(found)
    except SupervisionError as error:
        logger.warning("%s: %s", folder, error)
        return None, str(error)
    try:
        told, is_crossed = crossed(found), True
    except SupervisionError:  # too few for halves
        told, is_crossed = [one.calibrated(calibration) for one in found], False
    scores = scores_of(told, milliseconds)
    facts = {**facts, "held_out_scores": scores.to_dict(), "held_out_crossed": is_crossed}
    recalibrate(folder, calibration, facts, write_card(facts, scores))
    return scores, ""


def _start(
    base: Path, target: Path, questions: Sequence[Question], texts: Sequence[str], seed: int
) -> tuple[Path, int]:
    """The folder to begin from, its vocabulary extended where it knows too little; how many pieces are new."""
    seen = [part for text in [*texts, *_passages(questions)] for part in cut(text)] + [one.text for one in questions]
    known = survey(base, seen)
    if known.unknown_share < UNKNOWN_SHARE or not known.missing:
        return base, 0
    extend(base, target, known.missing, seed)
    return target, len(known.missing)


def _practise(
    model: Any, found: list[Example], options: TrainingOptions, told: Told, wanted: Callable[[], None]
) -> list[float]:
    if not found:
        return []
    return train(model, [found], options, lambda number, loss: told("practice", number + 1, 1, loss), wanted)


def _runs(
    model: Any,
    found: list[Example],
    options: TrainingOptions,
    recipe: ReaderRecipe,
    told: Told,
    wanted: Callable[[], None],
) -> list[float]:
    """Train `recipe.runs` times from the model as it is, and leave the mean of the weights in it."""
    import torch

    begun = {name: value.clone() for name, value in model.state_dict().items()}
    total: dict[str, Any] = {}
    losses: list[float] = []
    epochs = recipe.epochs * recipe.runs
    for run in range(recipe.runs):
        model.load_state_dict(begun)
        done = run * recipe.epochs
        losses += train(
            model,
            [found] * recipe.epochs,
            dataclasses.replace(options, seed=options.seed + run),
            lambda number, loss, done=done: told("training", done + number + 1, epochs, loss),  # type: ignore[misc]
            wanted,
        )
        with torch.no_grad():
            for name, value in model.state_dict().items():
                total[name] = value / recipe.runs + total.get(name, 0) if value.is_floating_point() else value.clone()
    model.load_state_dict(total)
    return losses


def _layout(start: Path) -> Any:
    """Ours is shorter than published readers': long passages are read in more windows, each faster."""
    published = layout_of(start)
    return dataclasses.replace(published, length=256, stride=128)


def _saved(model: Any, folder: Path, start: Path) -> Path:
    model.config.architectures = ["BertForQuestionAnswering"]
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {SCHEME_KEY: SCHEME}, indent=1), encoding="utf-8")
    (folder / TOKENIZER_FILE).write_bytes((start / TOKENIZER_FILE).read_bytes())
    return folder


def _facts(
    base: Path,
    learnt: Sequence[Question],
    held: Sequence[Question],
    texts: Sequence[str],
    recipe: ReaderRecipe,
    pieces: int,
) -> dict[str, Any]:
    """What the manifest says of where a reader comes from."""
    return {
        "base": base.name,
        "recipe": asdict(recipe),
        "questions": len(learnt),
        "unanswerable": sum(not one.answers for one in learnt),
        "questions_sha256": digest_of(learnt),
        "held_out": len(held),
        "held_out_sha256": digest_of(held),
        "texts": len(texts),
        "new_pieces": pieces,
    }


def digest_of(questions: Sequence[Question]) -> str:
    """SHA-256 over questions, passages and answers, in whatever order they come."""
    lines = sorted(json.dumps([one.text, one.passage, sorted(one.answers)], ensure_ascii=False) for one in questions)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _passages(questions: Sequence[Question]) -> list[str]:
    return list(dict.fromkeys(question.passage for question in questions))


def _precision(folder: Path) -> str:
    from retrieval.answer.reader_folder import read_folder

    return read_folder(folder).precision

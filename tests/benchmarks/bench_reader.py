"""Span readers on public questions: exact match, F1, refusals, confidence and latency, beside the sentence picker.

    python -m tests.benchmarks.bench_reader train FOLDER [--device cuda] [--epochs 7] …   # as `kb readers train` does
    python -m tests.benchmarks.bench_reader measure FOLDER --note "how it was trained"     # writes reader.json

Training takes the articles that squad_dev's article_split.json calls train, cmrc2018's trial part and policyqa_dev;
measuring the articles called eval and cmrc2018's dev part, which nothing was trained, calibrated or chosen on.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.reader import OnnxReader
from retrieval.encoder import open_encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate, sha256_of
from search_core.reader.data import Question, read_squad, read_texts
from search_core.reader.evaluation import crossed, picker_scores, read_all, scores_of
from search_core.reader.recipe import ReaderRecipe, train_reader
from tests.benchmarks.machine import DATA, circumstances

RESULT = Path(__file__).with_name("reader.json")
TIMED = 100  # questions, each over five passages


def articles(part: str) -> frozenset[str]:
    """The titles of "train" or "eval"."""
    split = json.loads((DATA / "squad_dev" / "article_split.json").read_text(encoding="utf-8"))
    return frozenset(split[part])


def training_questions() -> list[Question]:
    """All that a reader may learn from and be calibrated on; without the answered half of 2.0, which 1.1 repeats."""
    data, titles = DATA, articles("train")
    found = read_squad(data / "squad_dev" / "dev-v1.1.json.gz", titles)
    found += [one for one in read_squad(data / "squad_dev" / "dev-v2.0.json.gz", titles) if not one.answers]
    found += read_squad(data / "cmrc2018" / "cmrc2018_trial.json")
    return found + read_squad(data / "policyqa_dev" / "dev.json.gz")


def measured_questions(most: Sequence[int]) -> dict[str, list[Question]]:
    """Set -> its questions, or a sample of at most so many."""
    data, titles = DATA, articles("eval")
    drawn = random.Random(0)
    whole = {
        "squad 1.1, eval articles": read_squad(data / "squad_dev" / "dev-v1.1.json.gz", titles),
        "squad 2.0, eval articles": read_squad(data / "squad_dev" / "dev-v2.0.json.gz", titles),
        "cmrc2018 dev": read_squad(data / "cmrc2018" / "cmrc2018_dev.json.gz"),
    }
    return {
        name: drawn.sample(found, min(limit, len(found)))
        for limit, (name, found) in zip(most, whole.items(), strict=True)
    }


def train(arguments: argparse.Namespace) -> None:
    """Make a reader folder."""
    names = ("epochs", "practice", "runs", "teachers", "batch", "rate", "seed", "threads", "device", "bf16")
    recipe = ReaderRecipe(**{name: getattr(arguments, name) for name in names})
    texts = [text for file in arguments.texts for text in read_texts(file)]
    began = time.monotonic()

    def told(stage: str, done: int, total: int, loss: float) -> None:
        print(f"{stage} {done} of {total}, loss {loss:.3f}, {time.monotonic() - began:.0f} s", flush=True)

    made = train_reader(locate(DEFAULT_MODEL), arguments.folder, training_questions(), texts, recipe, told)
    print(json.dumps(made.to_dict(), indent=1))


def measure(arguments: argparse.Namespace) -> None:
    """Write what it scores, with what it is and where."""
    reader = OnnxReader(arguments.folder, arguments.threads)
    picker = ExtractiveGenerator(open_encoder(DEFAULT_MODEL, arguments.models, threads=1), Analyzer())
    sets: dict[str, Any] = {}
    for name, found in measured_questions(arguments.most).items():
        answered, milliseconds = read_all(reader, found)
        answerable = [one for one in found if one.answers][: arguments.picked]
        sets[name] = {"reader": scores_of(answered, milliseconds).to_dict(), "picked_on": len(answerable)}
        sets[name]["of"] = len(found)
        if not all(one.answers for one in found):
            sets[name]["crossed"] = scores_of(crossed(answered)).to_dict()
        sets[name]["sentences"] = picker_scores(picker, answerable)
        print(name, json.dumps(sets[name]), flush=True)
    body = {
        **circumstances(),
        "manifest_sha256": sha256_of(arguments.folder / "manifest.json"),
        "precision": reader.manifest.precision,
        "note": arguments.note,
        "origin": dict(reader.manifest.origin),
        "sets": sets,
        "milliseconds_over_5_passages": latency(reader),
    }
    reader.close()
    arguments.out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def latency(reader: OnnxReader) -> dict[str, float]:
    """Median and 95th percentile, wall and processor, of questions over five paragraphs of their article each."""
    found = read_squad(DATA / "squad_dev" / "dev-v1.1.json.gz", articles("eval"))
    drawn = random.Random(1)
    texts: dict[str, list[str]] = {}
    for one in found:
        texts.setdefault(one.article, []).append(one.passage)
    wall, processor = [], []
    for question in drawn.sample(found, TIMED):
        others = drawn.sample(sorted(set(texts[question.article]) - {question.passage}), 4)
        began, used = time.perf_counter(), time.process_time()
        reader.read(question.text, [question.passage, *others])
        wall.append((time.perf_counter() - began) * 1e3)
        processor.append((time.process_time() - used) * 1e3)
    return {
        "p50": float(np.median(wall)),
        "p95": float(np.percentile(wall, 95)),
        "least": min(wall),
        "processor_p50": float(np.median(processor)),
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parsed = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parsed.add_subparsers(required=True)
    training = verbs.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--texts", type=Path, nargs="*", default=[], help="JSON lines to practise on")
    training.add_argument("--practice", type=int, default=None)
    training.add_argument("--bf16", action="store_true")
    training.add_argument("--device", default="cpu")
    training.add_argument("--rate", type=float, default=2e-4)
    for name, default in (("epochs", 7), ("runs", 2), ("teachers", 3), ("batch", 32), ("seed", 0), ("threads", 1)):
        training.add_argument(f"--{name}", type=int, default=default)
    training.set_defaults(run=train)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--note", default="")
    measuring.add_argument("--threads", type=int, default=2)
    measuring.add_argument("--most", type=int, nargs=3, default=[10_000] * 3, help="questions of each set")
    measuring.add_argument("--picked", type=int, default=300, help="questions of a set that the picker is asked")
    measuring.add_argument("--models", type=Path, default=Path(".kb/models"))
    measuring.add_argument("--out", type=Path, default=RESULT)
    measuring.set_defaults(run=measure)
    return parsed


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    chosen = parser().parse_args(arguments)
    chosen.run(chosen)


if __name__ == "__main__":
    main()

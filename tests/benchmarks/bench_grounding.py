"""How well the support of a generated sentence tells its own passage from the next one of the same article.

    python -m tests.benchmarks.bench_grounding

A sentence of a passage with 30 % of its words left out stands for what a model writes; a real paraphrase is harder.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.claims import NEGATION
from retrieval.answer.grounding import SUPPORTED, Grounder
from retrieval.answer.sentences import split_sentences
from retrieval.answer.types import Passage
from retrieval.encoder import open_encoder
from tests.benchmarks.answer_sets import Remembering, cmrc, passages_of, squad

SENTENCES = 300
LEFT_OUT = 0.3
PIECE = re.compile(r"[\u3400-\u9fff]{1,4}|[^\s\u3400-\u9fff]+\s*")  # four characters are about two Chinese words


def shortened(sentence: str, rng: random.Random) -> str:
    """The sentence with some of its words left out; negations stay and digits go, which are checked separately."""
    kept = "".join(piece for piece in PIECE.findall(sentence) if rng.random() > LEFT_OUT or NEGATION.search(piece))
    return re.sub(r"\d\S*|[“”\"「」]", "", kept)


def shares(passages: Sequence[Passage], encoder: Remembering, rng: random.Random) -> tuple[float, float, int]:
    """(share cited to the own passage, share cited to the next passage, sentences)."""
    analyzer, own, other, count = Analyzer(), 0, 0, 0
    for _ in range(SENTENCES):
        at = rng.randrange(len(passages) - 1)
        start, end = rng.choice(split_sentences(passages[at].text))
        sentence = shortened(passages[at].text[start:end], rng)
        grounded = [Grounder([passages[i]], encoder, analyzer).ground(f"{sentence} [1]") for i in (at, at + 1)]
        if grounded[0].is_claim:
            own, other, count = own + bool(grounded[0].citations), other + bool(grounded[1].citations), count + 1
    return own / count, other / count, count


def main() -> None:
    """Print one line a set."""
    repository = Path(__file__).resolve().parent.parent.parent
    folder = Path(os.environ.get("KB_TEST_DATA_DIR", repository.parent / "shared" / "data"))
    cache = Path(os.environ.get("KB_TEST_CACHE_DIR", Path(tempfile.gettempdir(), "kb-bench")))
    encoder = Remembering(open_encoder("all-MiniLM-L6-v2", cache))
    for one in (squad(folder, "eval"), cmrc(folder, "eval")):
        own, other, count = shares(list(passages_of(one.documents)), encoder, random.Random(0))
        print(f"{one.name}: support >= {SUPPORTED}: own passage {own:.3f}, next passage {other:.3f}, n={count}")


if __name__ == "__main__":
    main()

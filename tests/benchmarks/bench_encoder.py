"""Times the encoder: `python tests/benchmarks/bench_encoder.py variants | threads | nfcorpus`.

Times are of the processor (one thread), taken in turns, so that other work on the machine disturbs them little;
"threads" and "nfcorpus" are by the clock and want an idle machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from encoder_variants import VARIANTS

from retrieval.encoder import open_encoder
from retrieval.encoder.bert_weights import load_bert
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.probes import PROBES
from retrieval.encoder.tokens import TextTokenizer

LENGTHS = (12, 128, 256)  # tokens: a query, a chunk, a text at the model's maximum
QUARTILE = 25  # the lower one: interruptions only ever lengthen a run
VOCABULARY = (1000, 30000)  # whole words of the default model
DATA = Path(os.environ.get("KB_TEST_DATA_DIR", "../shared/data"))


def session(model: bytes, threads: int = 1) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def variants(rounds: int) -> None:
    """Milliseconds a text of each length, and the smallest cosine with fp32 on the probe texts."""
    weights = load_bert(locate(DEFAULT_MODEL))
    sessions = {name: session(build(weights).SerializeToString()) for name, build in VARIANTS.items()}
    tokens = TextTokenizer(locate(DEFAULT_MODEL) / "tokenizer.json", 256).encode(PROBES)
    vectors = {name: [run(one, np.array([text])) for text in tokens] for name, one in sessions.items()}
    wanted = np.concatenate(vectors["fp32, as shipped"])
    times = {length: in_turns(sessions, np.random.default_rng(0), length, rounds) for length in LENGTHS}
    print(f"{'variant':34}" + "".join(f"{length:>7} tok" for length in LENGTHS) + "   ratio  cosine")
    for name in sessions:
        row = "".join(f"{times[length][name]:8.2f} ms" for length in LENGTHS)
        ratio = times[256]["fp32, as shipped"] / times[256][name]
        cosine = (np.concatenate(vectors[name]) * wanted).sum(axis=1).min()
        print(f"{name:34}{row}  {ratio:6.2f}  {cosine:.4f}")


def in_turns(sessions: dict[str, Any], random: np.random.Generator, length: int, rounds: int) -> dict[str, float]:
    ids = random.integers(*VOCABULARY, (1, length))
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, one in sessions.items():
            start = time.thread_time()
            run(one, ids)
            times[name].append(1e3 * (time.thread_time() - start))
    return {name: float(np.percentile(taken[1:], QUARTILE)) for name, taken in times.items()}


def run(one: Any, ids: np.ndarray) -> np.ndarray:
    return one.run(None, {"input_ids": ids.astype(np.int64)})[0]


def threads() -> None:
    """Texts a second by the clock: threads inside a product against threads over texts, alone and in batches."""
    model = VARIANTS["int8, as shipped"](load_bert(locate(DEFAULT_MODEL))).SerializeToString()
    inside, over = session(model, 2), session(model, 1)
    random = np.random.default_rng(0)
    for length in LENGTHS:
        texts = [random.integers(*VOCABULARY, (1, length)) for _ in range(128)]
        batches = [np.concatenate(texts[start : start + 8]) for start in range(0, len(texts), 8)]
        with ThreadPoolExecutor(2) as pool:
            ways: dict[str, Callable[[], object]] = {
                "2 threads inside, 1 text": lambda: [run(inside, text) for text in texts],  # noqa: B023
                "2 threads inside, 8 texts": lambda: [run(inside, batch) for batch in batches],  # noqa: B023
                "2 threads over texts, 1 text": lambda: list(pool.map(lambda ids: run(over, ids), texts)),  # noqa: B023
                "2 threads over texts, 8 texts": lambda: list(pool.map(lambda ids: run(over, ids), batches)),  # noqa: B023
            }
            best = dict.fromkeys(ways, float("inf"))
            for _ in range(4):
                for name, way in ways.items():
                    start = time.perf_counter()
                    way()
                    best[name] = min(best[name], time.perf_counter() - start)
        for name, seconds in best.items():
            print(f"{length:4} tokens  {name:32}{len(texts) / seconds:8.0f} texts/s")


def nfcorpus(sample: int) -> None:
    """nDCG@10 of the dense leg alone, and texts and tokens a second, int8 beside fp32."""
    folder = DATA / "nfcorpus"
    documents = read_lines(gzip.decompress((folder / "corpus.jsonl.gz").read_bytes()))[: sample or None]
    queries = {query["id"]: query["text"] for query in read_lines((folder / "queries.jsonl").read_bytes())}
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    texts = [f"{document['title']}\n{document['text']}".strip() for document in documents]
    tokenizer = TextTokenizer(locate(DEFAULT_MODEL) / "tokenizer.json", 256)
    tokens = sum(map(len, tokenizer.encode(texts)))
    for precision in ("fp32", "int8"):
        with tempfile.TemporaryDirectory() as cache:
            encoder = open_encoder(DEFAULT_MODEL, Path(cache), precision)
            started = time.perf_counter()
            vectors = encoder.encode_passages(texts)
            seconds = time.perf_counter() - started
            asked = encoder.encode_queries([queries[query] for query in qrels])
        ranked = np.argsort(-asked @ vectors.T, axis=1, kind="stable")[:, :10]
        names = [[documents[row]["id"] for row in rows] for rows in ranked]
        score = np.mean([ndcg(qrels[query], found) for query, found in zip(qrels, names, strict=True)])
        rates = f"{len(texts) / seconds:6.1f} documents/s  {tokens / seconds:8.0f} tokens/s"
        print(f"{precision}  nDCG@10 {score:.4f}  {rates}")


def ndcg(grades: dict[str, int], found: Sequence[str]) -> float:
    gains = [grades.get(name, 0) / np.log2(rank + 2) for rank, name in enumerate(found)]
    ideal = [grade / np.log2(rank + 2) for rank, grade in enumerate(sorted(grades.values(), reverse=True)[:10])]
    return float(sum(gains) / sum(ideal))


def read_lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("variants", "threads", "nfcorpus"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sample", type=int, default=0, help="documents of NFCorpus; 0: all")
    given = parser.parse_args()
    if given.what == "variants":
        variants(given.rounds)
    elif given.what == "threads":
        threads()
    else:
        nfcorpus(given.sample)

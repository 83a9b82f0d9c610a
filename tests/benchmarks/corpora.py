"""The documents and questions that the measurements use, read from the public sets or drawn by seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from pathlib import Path
from typing import Any

from ingest.chunking import StructureChunker
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.types import Document
from tests.benchmarks.machine import DATA, SEED

PEER_TOKENS = 256  # where every peer cuts: the model's maximum
ENGLISH = ("nfcorpus", "scifact_reduced", "fiqa_pool", "msmarco_sample", "techqa")
ZIPF_EXPONENT = 1.07  # of English text (Piantadosi 2014)

Record = dict[str, Any]  # {id, title, text}


def corpus_file(name: str) -> Path:
    """The set's documents."""
    (path,) = (DATA / name).glob("corpus.jsonl*")
    return path


def documents(name: str) -> list[Record]:
    """The set's documents as {id, title, text}."""
    return records_of(corpus_file(name))


def records_of(path: Path) -> list[Record]:
    """The documents of a corpus file as {id, title, text}."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        found = [json.loads(line) for line in lines]
    return [{"id": str(one["id"]), "title": one.get("title") or "", "text": one["text"]} for one in found]


def judged_questions(name: str, qrels: str) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Questions that have judgements, and the judgements."""
    judged = read_qrels(DATA / name / qrels)
    questions = read_queries(DATA / name / "queries.jsonl")
    return {question: questions[question] for question in judged}, judged


def all_questions(name: str) -> list[str]:
    """Every question of a set, in a seeded order, each once: no cache of queries can help."""
    questions = sorted(set(read_queries(DATA / name / "queries.jsonl").values()))
    random.Random(SEED).shuffle(questions)
    return questions


def passage(record: Record) -> str:
    """What an encoder reads of a document that is not cut."""
    return "\n".join(part for part in (record["title"], record["text"]) if part)


def cut(records: Sequence[Record]) -> list[Record]:
    """The documents with their text ended where title and text reach the model's maximum."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(locate(DEFAULT_MODEL) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(PEER_TOKENS)
    encodings = tokenizer.encode_batch([passage(record) for record in records])
    shortened = []
    for record, encoding in zip(records, encodings, strict=True):
        whole = passage(record)
        end = max(end for _, end in encoding.offsets)
        shortened.append(record | {"text": whole[:end][len(whole) - len(record["text"]) :] or record["text"][:1]})
    return shortened


def token_count(texts: Sequence[str]) -> int:
    """Encoder tokens of the texts, each cut at the model's maximum: what is really computed."""
    from retrieval.encoder.tokens import TextTokenizer

    tokenizer = TextTokenizer(locate(DEFAULT_MODEL) / "tokenizer.json", PEER_TOKENS)
    return sum(map(len, tokenizer.encode(texts)))


def with_chunks(chunks: int) -> list[Record]:
    """Documents of the English sets, in order, that together have at least so many chunks."""
    chunker, chosen, count = StructureChunker(), [], 0
    for name in ENGLISH:
        for record in documents(name):
            if count >= chunks:
                return chosen
            count += len(chunker.chunk(Document(record["id"], record["text"], record["title"])))
            chosen.append(record | {"id": f"{name}-{record['id']}"})
    return chosen


def synthetic(count: int, words: int, seed: int = SEED) -> Iterator[Record]:
    """Documents whose words, 11,250 made-up ones, follow Zipf's law."""
    choose = random.Random(seed)
    names = ["".join(letters) for letters in product("bcdfghjklm", "aeiou", "npqrtvwxz", "aeiou", "bdgkm")]
    weights = list(accumulate((rank + 1) ** -ZIPF_EXPONENT for rank in range(len(names))))
    for number in range(count):
        text = " ".join(choose.choices(names, cum_weights=weights, k=words))
        yield {"id": str(number), "text": text, "language": "en"}


def write_jsonl(path: Path, records: Sequence[Record] | Iterator[Record]) -> Path:
    """The records, a line each."""
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path

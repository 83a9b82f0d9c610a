"""Default quality of the peers on every retrieval set, beside ours of quality.json.

    python -m tests.benchmarks.bench_peers [--sets cranfield,...] [--peers txtai,...]

Each peer gets whole texts and does with them what it does by default (all cut a text at 256 tokens). Writes peers.json
beside this file after each peer, so that a run which is stopped goes on where it was; speeds are not measured here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from retrieval.evaluation.runs import read_qrels, read_queries
from tests.benchmarks.bench_index import PEER_SCRIPTS, run_peer
from tests.benchmarks.bench_quality import DATA, SETS, data_hash, one_of
from tests.benchmarks.corpora import records_of, write_jsonl

RESULTS = Path(__file__).with_name("peers.json")
OURS = Path(__file__).with_name("quality.json")


def main() -> None:
    """Measure what is not there yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--peers", default=",".join(PEER_SCRIPTS))
    asked = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in asked.sets.split(","):
        hashed = data_hash(DATA / SETS[name][0])
        if results.get(name, {}).get("data_sha256") != hashed:
            results[name] = {"data_sha256": hashed, "peers": {}}
        for peer in asked.peers.split(","):
            if peer not in results[name]["peers"]:
                results[name]["peers"][peer] = measure(name, peer)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(line(name, results[name]["peers"]), flush=True)


def measure(name: str, peer: str) -> dict[str, Any]:
    """nDCG@10 of one peer on one set, with its versions; why not, where it could not run."""
    folder, judgements = SETS[name]
    qrels = read_qrels(DATA / folder / judgements)
    texts = read_queries(one_of(DATA / folder / "queries.jsonl"))
    with tempfile.TemporaryDirectory() as work:
        corpus = write_jsonl(Path(work) / "corpus.jsonl", records_of(one_of(DATA / folder / "corpus.jsonl")))
        asked = write_jsonl(Path(work) / "questions.jsonl", [{"id": key, "text": texts[key]} for key in qrels])
        row = run_peer(peer, corpus, asked, Path(work), qrels, 1, 0)
    return {key: row[key] for key in ("ndcg@10", "versions", "failed") if key in row}


def line(name: str, peers: dict[str, Any]) -> str:
    """The set's line: every peer, then ours."""
    ours = json.loads(OURS.read_text())["sets"][name]["plans"]["default"]["ndcg@10"]
    shown = "".join(f"  {peer} {row.get('ndcg@10', float('nan')):.4f}" for peer, row in peers.items())
    return f"{name:18}{shown}  ours {ours:.4f}"


if __name__ == "__main__":
    main()

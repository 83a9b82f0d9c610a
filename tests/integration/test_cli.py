"""The command `kb` as scripts use it: pinned JSON, exit statuses, messages that say what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from kb_processes import Kb
from typer.testing import CliRunner

from api.cli import app
from retrieval.catalog import Catalog, sqlite_url

DOCUMENTS = [
    {
        "id": "pump",
        "title": "Pumps",
        "text": "The feed pump stops when the filter is blocked.",
        "metadata": {"site": "Ghent"},
    },
    {"id": "valve", "title": "阀门", "text": "安全阀在十巴时打开。", "metadata": {"site": "Suzhou"}},
    {"id": "pay", "title": "Pay", "text": "The yearly bonus is paid in March.", "acl": ["hr"]},
]


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Kb:
    kb = Kb(tmp_path_factory.mktemp("cli"))
    corpus = kb.folder / "corpus.jsonl.gz"
    with gzip.open(corpus, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(document) + "\n" for document in DOCUMENTS)
        lines.write("this line is broken\n")
    report = kb.json("ingest", str(corpus), "--collection", "c")
    assert (report["created"], report["failed"]) == (3, 1)
    assert "broken" not in report["failures"][0]["remedy"]
    return kb


def test_search_prints_the_pinned_form(kb: Kb) -> None:
    found = kb.json("search", "-c", "c", "blocked filter", "-k", "10")
    assert found["hits"][0]["key"] == "pump"
    assert {
        "document_id",
        "chunk_id",
        "score",
        "title",
        "text",
        "highlights",
        "uri",
        "source",
        "metadata",
        "as_of",
    } <= set(found["hits"][0])
    assert {"seq", "as_of", "took_ms", "plan"} <= set(found)


def test_search_filters_and_takes_groups(kb: Kb) -> None:
    suzhou = kb.json("search", "-c", "c", "安全阀 pump", "--filter", '{"site": "Suzhou"}')
    assert [hit["key"] for hit in suzhou["hits"]] == ["valve"]
    assert "pay" not in [hit["key"] for hit in kb.json("search", "-c", "c", "bonus", "--as-group", "sales")["hits"]]
    assert "pay" in [hit["key"] for hit in kb.json("search", "-c", "c", "bonus", "--as-group", "hr")["hits"]]


def test_ask_cites_or_refuses(kb: Kb) -> None:
    answer = kb.json("ask", "-c", "c", "When does the feed pump stop?")
    assert not answer["refused"] and answer["citations"][0]["document_id"] == "c/pump"
    refused = kb.json("ask", "-c", "c", "Who won the football match between Ghent and Bruges?")
    assert refused["refused"] and refused["citations"] == []


def test_eval_prints_the_pinned_form(kb: Kb) -> None:
    (kb.folder / "q.jsonl").write_text('{"id": "1", "text": "blocked filter"}\n{"id": "2", "text": "安全阀"}\n')
    (kb.folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tpump\t1\n2\tvalve\t2\n")
    run = kb.folder / "run.txt"
    arguments = (
        "--queries",
        str(kb.folder / "q.jsonl"),
        "--qrels",
        str(kb.folder / "qrels.tsv"),
        "--run-out",
        str(run),
    )
    scored = kb.json("eval", "-c", "c", *arguments)
    pinned = {"ndcg@10", "mrr@10", "recall@10", "recall@100", "p50_ms", "p95_ms", "queries", "plan"}
    assert pinned <= set(scored)
    assert (scored["ndcg@10"], scored["queries"]) == (1.0, 2)
    assert run.read_text().splitlines()[0].split()[:4] == ["1", "Q0", "pump", "1"]
    (kb.folder / "strange.tsv").write_text("query-id\tcorpus-id\tscore\n1\tpump.txt\t1\n2\tvalve\t0\n")
    strange = kb.run(
        "eval", "-c", "c", "--queries", str(kb.folder / "q.jsonl"), "--qrels", str(kb.folder / "strange.tsv")
    )
    assert strange.returncode != 0
    assert "of 1 document judged relevant none is in collection 'c'" in " ".join(strange.stderr.split())


def test_eval_counts_judged_documents_that_are_not_there(kb: Kb) -> None:
    (kb.folder / "beir.jsonl").write_text('{"_id": "1", "text": "blocked filter"}\n{"_id": "2", "text": "安全阀"}\n')
    (kb.folder / "part.tsv").write_text("query-id\tcorpus-id\tscore\n1\tpump\t1\n2\tvalve.txt\t2\n2\tother\t0\n")
    files = ("--queries", str(kb.folder / "beir.jsonl"), "--qrels", str(kb.folder / "part.tsv"))
    warned = kb.run("eval", "-c", "c", *files)
    assert warned.returncode == 0, warned.stderr
    assert "not in the collection: 1 of the documents that are judged relevant" in warned.stderr
    assert "'valve.txt'" in warned.stderr


def test_eval_keeps_runs_of_stored_sets(kb: Kb) -> None:
    (kb.folder / "kept.jsonl").write_text('{"id": "1", "text": "blocked filter"}\n')
    (kb.folder / "kept.tsv").write_text("1\tpump\t1\n")
    files = ("--queries", str(kb.folder / "kept.jsonl"), "--qrels", str(kb.folder / "kept.tsv"))
    kb.json("eval", "-c", "c", *files)
    kb.json("eval", "-c", "c", *files, "--save", "kept")
    kb.json("eval", "-c", "c", "--eval-set", "kept")
    catalog = Catalog(sqlite_url(kb.folder / "data" / "catalog.db"))
    try:
        record = catalog.eval_sets.get(catalog.collections.get("c"), "kept")
        assert len(catalog.eval_runs.page(record, 10)) == 2
    finally:
        catalog.close()


def test_reindex_shows_what_it_compared(kb: Kb) -> None:
    (kb.folder / "again.jsonl").write_text('{"id": "1", "text": "blocked filter"}\n')
    (kb.folder / "again.tsv").write_text("1\tpump\t1\n")
    files = ("--queries", str(kb.folder / "again.jsonl"), "--qrels", str(kb.folder / "again.tsv"))
    kb.json("eval", "-c", "c", *files, "--save", "again")
    small = kb.run("reindex", "-c", "c", "--chunk-tokens", "120")
    assert small.returncode == 2
    assert "160" in small.stderr
    done = kb.run("reindex", "-c", "c", "--chunk-tokens", "300", "--eval-set", "again")
    assert done.returncode == 0, done.stderr
    assert "is serving" in done.stdout
    assert "3 documents in 3 chunks" in done.stdout
    assert "ndcg@10     1.0000  1.0000  +0.0000 (+0.0000 to +0.0000)" in done.stdout


def test_the_same_reindex_again_builds_nothing(kb: Kb) -> None:
    """As after a command that fell when all was done but its last words."""
    kb.json("ingest", str(kb.folder / "corpus.jsonl.gz"), "-c", "same")
    same = ("reindex", "-c", "same", "--chunk-tokens", "280")
    first, again = kb.json(*same), kb.run(*same).stdout
    assert "note" not in first
    assert f"generation {first['id']} is made by just that: nothing was built; `--anew` builds another" in again
    assert kb.json(*same, "--anew")["id"] > first["id"]


def test_keys_are_shown_once(kb: Kb) -> None:
    made = kb.json("keys", "create", "--scope", "admin")
    assert made["key"].startswith(f"kb_{made['id']}_")
    listed = kb.run("keys", "list", "--json").stdout
    assert made["id"] in listed and made["key"].split("_", 2)[2] not in listed
    assert kb.run("keys", "revoke", made["id"]).returncode == 0
    refused = kb.run("keys", "create", "--days", "9999999")
    assert refused.returncode == 2 and "less than or equal to 3650" in " ".join(refused.stderr.split())


def test_a_second_run_embeds_nothing_and_verify_agrees(kb: Kb) -> None:
    again = kb.json("ingest", str(kb.folder / "corpus.jsonl.gz"), "-c", "c")
    assert (again["unchanged"], again["embedded"]) == (3, 0)
    assert kb.json("verify", "-c", "c")["in_step"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("search", "-c", "nowhere", "x"), "collection 'nowhere' does not exist"),
        (("search", "-c", "c", "   "), "query is empty"),
        (("search", "-c", "c", "x", "--filter", "{"), "--filter is not JSON"),
        (("ingest", "/no/such/file"), "/no/such/file does not exist"),
        (("ingest", "sqlite:///x.db"), "--mapping"),
        (("eval", "-c", "c", "--queries", "/no.jsonl", "--qrels", "/no.tsv"), "/no.jsonl does not exist"),
        (("keys", "revoke", "abc"), "key 'abc' does not exist"),
    ],
)
def test_errors_are_one_line_that_says_what_is_wrong(kb: Kb, arguments: tuple[str, ...], told: str) -> None:
    done = kb.run(*arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_file_that_is_no_text_is_named(kb: Kb, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(b"\xff\xfe")
    done = kb.run("plans", "add", "-c", "c", str(file))
    assert done.returncode == 1 and "plan.json cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("option", "value"), [("--seed", "-1"), ("--threads", "100000000")])
def test_numbers_that_no_training_takes_are_refused(option: str, value: str) -> None:
    done = CliRunner().invoke(app, ["readers", "train", "x", "--questions", "/no.json", option, value])
    assert done.exit_code == 2 and f"'{option}'" in done.output


def test_wrong_settings_are_named(kb: Kb) -> None:
    done = kb.run("collections", KB_PORT="ninety")
    assert done.returncode == 1 and "KB_PORT" in done.stderr and "ninety" in done.stderr

"""`kb ingest` as scripts and people at a terminal use it: exit statuses, mistyped addresses, interruption, tables."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from kb_processes import WORK_SECONDS, Kb
from waiting import eventually

MAPPING = "tables:\n  main.faqs:\n    title: '{question}'\n    body: '{answer}'\n"


@pytest.fixture
def kb(tmp_path: Path) -> Kb:
    return Kb(tmp_path)


def collections(kb: Kb) -> list[str]:
    return [one["name"] for one in kb.json("collections")["collections"]]


def test_the_exit_status_tells_of_failures(kb: Kb) -> None:
    (kb.folder / "program.exe").write_bytes(b"MZ\0\0")
    done = kb.run("ingest", str(kb.folder / "program.exe"), "-c", "c")
    assert (done.returncode, "failed 1" in " ".join(done.stdout.split())) == (1, True)
    lines = kb.folder / "some.jsonl"
    lines.write_text('{"id": "a", "text": "a pump"}\nbroken\n')
    assert kb.run("ingest", str(lines), "-c", "c").returncode == 0, "something came of it"
    assert kb.run("ingest", str(lines), "-c", "c", "--strict").returncode == 1


def test_a_second_run_over_a_folder_with_one_bad_file_is_told_as_the_first(kb: Kb) -> None:
    (kb.folder / "in").mkdir()
    (kb.folder / "in" / "empty.txt").touch()
    (kb.folder / "in" / "a.txt").write_text("a pump")
    for file in (kb.folder / "in").iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    for words in ("new 1", "unchanged 1"):
        done = kb.run("ingest", str(kb.folder / "in"), "-c", "c")
        assert (done.returncode, words in " ".join(done.stdout.split())) == (0, True), done.stdout


def test_an_empty_folder_is_told(kb: Kb) -> None:
    (kb.folder / "empty").mkdir()
    done = kb.run("ingest", str(kb.folder / "empty"), "-c", "c")
    assert done.returncode == 0
    assert "nothing was found there" in done.stderr


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("https://example.com/a.html", "web address, and these are not fetched; download it"),
        ("-", "standard input is not read here"),
        ("absent", "does not exist; name a file"),
    ],
)
def test_what_cannot_be_read_leaves_no_collection_behind(kb: Kb, what: str, told: str) -> None:
    done = kb.run("ingest", what, "-c", "new")
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert collections(kb) == []


def test_a_mistyped_address_holds_no_table_and_a_source_of_any_kind_is_deleted(kb: Kb) -> None:
    (kb.folder / "faqs.yaml").write_text(MAPPING)
    database = sqlite3.connect(kb.folder / "shop.db")
    database.execute("CREATE TABLE faqs (id INTEGER PRIMARY KEY, question TEXT, answer TEXT)")
    database.execute("INSERT INTO faqs VALUES (1, 'Why does the pump stop?', 'Its filter is blocked.')")
    database.commit()
    database.close()
    kb.run("ingest", str(kb.folder / "faqs.yaml"), "-c", "c")  # the collection has documents already
    ingest = ("ingest", "-c", "c", "--mapping", str(kb.folder / "faqs.yaml"))
    wrong = kb.run(*ingest, "postgresql://kb:secret@127.0.0.1:1/shop")
    assert wrong.returncode == 1
    assert "does not serve us" in wrong.stderr and "secret" not in wrong.stderr
    right = kb.run(*ingest, f"sqlite:///{kb.folder}/shop.db")
    assert right.returncode == 0, right.stderr
    again = kb.run(*ingest, f"sqlite:///{kb.folder}/shop.db", "--source", "other")
    assert again.returncode == 1
    name = kb.json("sources", "list", "-c", "c")["sources"][-1]["name"]
    assert f"kb sources delete {name} -c c" in again.stderr
    assert kb.json("sources", "delete", name, "-c", "c") == {"deleted_documents": 1, "leftovers": []}
    assert kb.run(*ingest, f"sqlite:///{kb.folder}/shop.db", "--source", "other").returncode == 0


def test_an_interrupted_run_says_what_became_of_it(kb: Kb) -> None:
    (kb.folder / "many").mkdir()
    for number in range(3_000):
        (kb.folder / "many" / f"{number}.txt").write_text(f"The pump {number} stops. " * 20)
    command = [sys.executable, "-m", "api.cli", "ingest", str(kb.folder / "many"), "-c", "c"]
    with subprocess.Popen(command, env=kb.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        eventually((kb.folder / "data" / "views").exists, seconds=WORK_SECONDS, what="the first views")
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=WORK_SECONDS)
    assert running.returncode == 130
    assert b"interrupted; what was committed stays, and the same command goes on from there" in told
    assert kb.json("ingest", str(kb.folder / "many"), "-c", "c")["failed"] == 0


def test_tables_that_nobody_looks_at_are_not_cut(kb: Kb) -> None:
    name = "a-source-with-a-name-that-is-" + "very-" * 20 + "long"
    (kb.folder / "a.txt").write_text("a pump")
    kb.run("ingest", str(kb.folder / "a.txt"), "-c", "c", "--source", name)
    listed = kb.run("sources", "list", "-c", "c", COLUMNS="80").stdout
    assert name in listed and "…" not in listed


def test_letters_that_a_terminal_lacks_are_replaced(kb: Kb) -> None:
    (kb.folder / "a.txt").write_text("安全阀在十巴时打开。", encoding="utf-8")
    kb.run("ingest", str(kb.folder / "a.txt"), "-c", "c")
    environment = kb.environment | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "api.cli", "search", "-c", "c", "安全阀"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=WORK_SECONDS, check=False)
    assert (done.returncode, done.stderr, b"?" in done.stdout) == (0, b"", True)
    assert os.environ.get("PYTHONIOENCODING") != "latin-1"


def test_documents_in_a_language_that_the_encoder_does_not_know_are_told(kb: Kb) -> None:
    (kb.folder / "zh").mkdir()
    (kb.folder / "zh" / "a.txt").write_text(
        "退货须在三十天内提出申请，并附上原始发票。仓库收到商品后七个工作日内退款。", encoding="utf-8"
    )
    (kb.folder / "en.txt").write_text("Returns are accepted within thirty days with the invoice.")
    said = kb.run("ingest", str(kb.folder / "zh"), "-c", "zh", KB_ENCODER="all-MiniLM-L6-v2", COLUMNS="300")
    assert said.returncode == 0, said.stderr
    assert "all-MiniLM-L6-v2 knows only" in said.stderr
    assert "kb reindex -c zh --encoder bge-small-zh-v1.5" in said.stderr
    said = kb.run("ingest", str(kb.folder / "en.txt"), "-c", "en", KB_ENCODER="all-MiniLM-L6-v2")
    assert "knows only" not in said.stderr

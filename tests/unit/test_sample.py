"""The sample company holds together: keys, groups, languages, questions."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.sample import company as sample
from infra.sample.company import Company, write_company
from ingest.table_mapping import load_mapping

TABLES = ("departments", "employees", "categories", "suppliers", "products", "faqs", "tickets", "policies")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return write_company(tmp_path_factory.mktemp("company"))


@pytest.fixture
def rows(company: Company) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(company.database)
    yield connection
    connection.close()


def test_foreign_keys_point_at_rows(rows: sqlite3.Connection) -> None:
    assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
    assert all(rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0] >= 10 for table in TABLES)


@pytest.mark.server
def test_postgresql_loads_the_same_rows(rows: sqlite3.Connection, fresh_postgres: str, repository: Path) -> None:
    script = (repository / "infra/sample/company.sql").read_bytes()
    with psycopg.connect(fresh_postgres.replace("+psycopg", "")) as server:
        server.execute(script)
        for table in TABLES:
            columns = "*" if table != "products" else "id, code, name, name_zh, description"
            query = f"SELECT {columns} FROM {table} ORDER BY id"
            ours = [tuple(map(str, row)) for row in rows.execute(query)]
            assert [tuple(map(str, row)) for row in server.execute(query.encode())] == ours, table


def test_the_docs_count_right(company: Company, rows: sqlite3.Connection, repository: Path) -> None:
    page = (repository / "docs/index.md").read_text("utf-8")
    assert f"has {sum(rows.execute(f'SELECT count(*) FROM {table}').fetchone()[0] for table in TABLES)} rows" in page
    assert f"and {len(company.questions.read_text('utf-8').splitlines())} [questions]" in page


def test_half_of_the_faqs_are_chinese(rows: sqlite3.Connection) -> None:
    counts = dict(rows.execute("SELECT language, count(*) FROM faqs GROUP BY language"))
    assert counts["en"] == counts["zh"] == 40
    for language, question in rows.execute("SELECT language, question FROM faqs"):
        assert (language == "zh") == any("一" <= letter <= "鿿" for letter in question), question


def test_no_text_is_written_twice(rows: sqlite3.Connection) -> None:
    for table, column in (("faqs", "answer"), ("tickets", "resolution"), ("products", "description")):
        repeated = f"SELECT {column} FROM {table} GROUP BY {column} HAVING count(*) > 1"
        assert rows.execute(repeated).fetchall() == []


def test_every_row_and_folder_names_known_groups(company: Company, rows: sqlite3.Connection) -> None:
    known = {"everyone", "hr", "finance", "engineering", "support", "sales"}
    assert set(company.groups) < known
    for table in ("employees", "suppliers", "products", "faqs", "tickets", "policies"):
        for (groups,) in rows.execute(f"SELECT DISTINCT visible_to FROM {table}"):
            assert set(groups.split(",")) <= known, (table, groups)


def test_the_mapping_names_columns_that_exist(company: Company, rows: sqlite3.Connection) -> None:
    mapping = load_mapping(company.mapping)
    assert {name.removeprefix("main.") for name in mapping.all_tables} == set(TABLES)
    for name in mapping.all_tables:
        table = name.removeprefix("main.")
        mapping.check_columns(name, {row[1] for row in rows.execute(f"PRAGMA table_info({table})")})


def test_judgements_name_questions_and_documents_that_exist(company: Company, rows: sqlite3.Connection) -> None:
    questions = {line["id"]: line for line in map(json.loads, company.questions.read_text("utf-8").splitlines())}
    with company.qrels.open(encoding="utf-8", newline="") as file:
        judged = list(csv.DictReader(file, delimiter="\t"))
    assert {row["query-id"] for row in judged} == {name for name, line in questions.items() if line["answerable"]}
    for row in judged:
        place, _, name = row["corpus-id"].rpartition("/")
        if place.startswith("main."):
            table = place.removeprefix("main.")
            assert rows.execute(f"SELECT count(*) FROM {table} WHERE id = ?", (name,)).fetchone() == (1,), row
        else:
            assert len(list(company.documents.glob(f"*/{name}"))) == 1, row  # each folder is a source: no prefix


@pytest.mark.parametrize("change", [sample.UPDATE, sample.PARENT_UPDATE, sample.DELETE], ids=lambda change: change.key)
def test_a_change_touches_one_row(change: sample.RowChange, tmp_path: Path) -> None:
    company = write_company(tmp_path)
    before = b"".join(path.read_bytes() for path in [company.database])
    assert not change.proof or change.proof.encode() not in before
    sample.change_row(company.database, change)
    assert not change.proof or change.proof.encode() in company.database.read_bytes()


def test_a_change_of_a_missing_row_is_refused(tmp_path: Path) -> None:
    company = write_company(tmp_path)
    sample.change_row(company.database, sample.DELETE)
    with pytest.raises(LookupError, match="main.tickets/58"):
        sample.change_row(company.database, sample.DELETE)


def test_writing_twice_starts_afresh(tmp_path: Path) -> None:
    company = write_company(tmp_path)
    (company.documents / "everyone" / "stray.txt").write_text("left over")
    sample.change_row(company.database, sample.DELETE)
    write_company(tmp_path)
    assert not (company.documents / "everyone" / "stray.txt").exists()
    sample.change_row(company.database, sample.DELETE)

"""What keeps PostgreSQL from telling all changes of a table: found before a source is made, and while it runs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from live_world import query, role

from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Finding
from ingest.connect.postgres import PostgresDatabase
from ingest.connect.postgres_columns import check_logged
from ingest.errors import MappingError, SourceError
from ingest.table_mapping import parse_mapping

pytestmark = [pytest.mark.server, pytest.mark.slow]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, title text)"
PARTED = (
    "CREATE TABLE t (id int, code text, title text, PRIMARY KEY (code, id)) PARTITION BY LIST (code)",
    "CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu')",
)
BOTH = "CREATE UNIQUE INDEX both_of_them ON t (code, id)"
# what was done to the table -> the words of the finding; "" where all is well
TABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "an index without the key": (
        (KEYED, "ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key"),
        "USING INDEX without",
    ),
    "an index with the key": ((KEYED, BOTH, "ALTER TABLE t REPLICA IDENTITY USING INDEX both_of_them"), ""),
    "the key's own index": ((KEYED, "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey"), ""),
    "an index that only includes the key": (
        (
            KEYED,
            "CREATE UNIQUE INDEX wide ON t (code) INCLUDE (id)",
            "ALTER TABLE t REPLICA IDENTITY USING INDEX wide",
        ),
        "USING INDEX without",
    ),
    "nothing": ((KEYED, "ALTER TABLE t REPLICA IDENTITY NOTHING"), "REPLICA IDENTITY NOTHING"),
    "all of it": ((KEYED, "ALTER TABLE t REPLICA IDENTITY FULL"), ""),
    "partitions": (PARTED, ""),
    "a partition that tells nothing": (
        (*PARTED, "ALTER TABLE t_eu REPLICA IDENTITY NOTHING"),
        "NOTHING in partition public.t_eu",
    ),
    "a partition without a log": (
        (*PARTED, "CREATE UNLOGGED TABLE t_us PARTITION OF t FOR VALUES IN ('us')"),
        "without a log in partition public.t_us",
    ),
    "heirs": ((KEYED, "CREATE TABLE child () INHERITS (t)"), "other tables inherit from"),
}


@pytest.fixture
def url(fresh_postgres: str) -> str:
    return fresh_postgres.replace("+psycopg", "")


def database(url: str) -> PostgresDatabase:
    return PostgresDatabase(DatabaseAddress.parse(url))


def found(url: str, check: str, *tables: str) -> Finding:
    return next(finding for finding in database(url).inspect(tables).findings if finding.check == check)


@pytest.mark.parametrize("case", TABLES)
def test_a_table_whose_changes_would_not_all_come_is_refused(url: str, case: str) -> None:
    statements, words = TABLES[case]
    for statement in statements:
        query(url, statement)
    finding = found(url, "table public.t", "public.t")
    assert (finding.severity == "error") is bool(words), finding
    assert words in finding.text
    if finding.sql:
        query(url, finding.sql)
        assert found(url, "table public.t", "public.t").severity == "ok"


COLUMNS: dict[str, str] = {  # column -> why its values do not come, or not always
    "area polygon": "of type polygon, and not in the log",
    "spots point[]": "of type point[], and not in the log",
    "spot point": "",
    "limits amount[]": "of type amount[], and not in the log",
    "limit_of amount": "",
    "pair_of pair": "of type pair, and not in the log",
    "days date[]": "large",
    "prices numeric(5,2)[] NOT NULL": "large",
    "codes codes": "large",
    "moods mood[]": "large",
    "groups int[]": "",
    "names varchar(9)[]": "",
    "body long_text": "",
    "twice int GENERATED ALWAYS AS (id * 2) STORED": "generated, and not in the log",
}


def test_columns_that_the_log_does_not_always_tell_are_named(url: str) -> None:
    query(url, "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int); CREATE DOMAIN amount AS numeric(5,2)")
    query(url, "CREATE DOMAIN codes AS int[]; CREATE DOMAIN long_text AS text")
    query(url, f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(COLUMNS)})")
    *columns, log = [one for one in database(url).inspect(["public.t"]).findings if one.severity == "warning"]
    named = {column.partition(" ")[0]: words for column, words in COLUMNS.items()}
    left_out = {name: words for name, words in named.items() if "log" in words}
    assert {one.check.removeprefix("column public.t."): one.found for one in columns} == left_out
    assert "large values of days, prices, codes, moods that an update leaves alone: they come as nulls" in log.found
    assert log.found.endswith("at which the connector stops in prices")
    for name in named:
        mapping = parse_mapping({"tables": {"public.t": {"title": "id", "body": f"{{{name}}}"}}})
        with pytest.raises(MappingError, match=name) if name in left_out else nullcontext():
            check_logged(DatabaseAddress.parse(url), mapping)
    query(url, log.sql)
    assert log.check not in {one.check for one in database(url).inspect(["public.t"]).findings}


def test_every_partition_must_log_whole_rows(url: str) -> None:
    for statement in (*PARTED, "ALTER TABLE t ADD days date[]", "ALTER TABLE t REPLICA IDENTITY FULL"):
        query(url, statement)
    assert found(url, "log of public.t", "public.t").sql == "ALTER TABLE public.t_eu REPLICA IDENTITY FULL;"


def test_a_table_and_its_partition_are_not_mapped_together(url: str) -> None:
    for statement in PARTED:
        query(url, statement)
    assert (
        "a partition of public.t, which is mapped too"
        in found(url, "table public.t_eu", "public.t", "public.t_eu").text
    )
    assert found(url, "table public.t_eu", "public.t_eu").severity == "ok"


def test_rows_that_a_policy_hides_are_told(url: str) -> None:
    for statement in (
        KEYED,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON t USING (code = 'a')",
        "INSERT INTO t VALUES (1, 'a', 'ours'), (2, 'b', 'theirs')",
    ):
        query(url, statement)
    with role(url, "REPLICATION", "GRANT SELECT ON t") as reader:
        assert len(query(reader, "SELECT * FROM t")) == 1
        finding = found(reader, "table public.t", "public.t")
        assert finding.severity == "error"
        query(url, finding.sql)
        assert len(query(reader, "SELECT * FROM t")) == 2
        assert found(reader, "table public.t", "public.t").severity == "ok"
    assert found(url, "table public.t", "public.t").severity == "ok", "nothing is hidden from its owner"


# an operator's publication -> how the test of a connection takes it, and with which unread column a source may
PUBLICATIONS: dict[str, tuple[str, str, str | None]] = {
    "whole": ("CREATE PUBLICATION p FOR TABLE t", "ok", ""),
    "all tables": ("CREATE PUBLICATION p FOR ALL TABLES", "ok", ""),
    "some columns": ("CREATE PUBLICATION p FOR TABLE t (id, title)", "warning", "public.t.code"),
    "some rows": ("CREATE PUBLICATION p FOR TABLE t WHERE (id > 1)", "error", None),
    "some changes": ("CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert, update')", "error", None),
}


@pytest.mark.parametrize("case", PUBLICATIONS)
def test_an_operators_publication_covers_whole_rows_and_all_of_them(url: str, case: str) -> None:
    statement, severity, unread = PUBLICATIONS[case]
    query(url, KEYED)
    query(url, statement)
    with role(url, "REPLICATION", "GRANT SELECT ON t") as reader:
        assert found(reader, "publication", "public.t").severity == severity
        for excluded in ([], ["public.t.title"], ["public.t.code"]):
            if unread is not None and unread in ("", *excluded):
                assert database(reader).prepare("kb-x-1", ["public.t"], excluded).publication == "p"
            else:
                with pytest.raises(SourceError, match="no publication covers public.t"):
                    database(reader).prepare("kb-x-1", ["public.t"], excluded)


def test_a_partitioned_table_is_published_under_its_own_name(url: str) -> None:
    for statement in (*PARTED, "CREATE PUBLICATION p FOR TABLE t"):
        query(url, statement)
    with role(url, "REPLICATION", "GRANT SELECT ON t") as reader:
        refused = found(reader, "publication", "public.t")
        assert refused.severity == "error", "under the names of its partitions nothing is read"
        query(url, refused.sql)
        assert found(reader, "publication", "public.t").text == "publication is kb, which covers the tables"
    ours = database(url).prepare("kb-x-1", ["public.t"], [])
    query(
        url, f"ALTER PUBLICATION {ours.publication} SET (publish_via_partition_root = false)"
    )  # as it was made before
    assert "kb_x_1 does not cover table public.t" in database(url).problems(ours)[0]
    changed = database(url).change(ours, ["public.t"], [])
    assert database(url).problems(changed) == []


def test_another_mapping_needs_a_publication_of_its_tables_too(url: str) -> None:
    for statement in (KEYED, "CREATE TABLE u (id int PRIMARY KEY)", "CREATE PUBLICATION p FOR TABLE t (id, code)"):
        query(url, statement)
    with role(url, "REPLICATION", "GRANT SELECT ON t", "GRANT SELECT ON u") as reader:
        capture = database(reader).prepare("kb-x-1", ["public.t"], ["public.t.title"])
        for tables, excluded, missing in (
            (["public.t", "public.u"], ["public.t.title"], "public.u"),
            (["public.t"], [], "public.t.title"),
        ):
            with pytest.raises(SourceError, match=f"p does not cover {missing} with"):
                database(reader).change(capture, tables, excluded)
        query(url, "ALTER PUBLICATION p SET TABLE t, u")
        assert database(reader).change(capture, ["public.t", "public.u"], []).tables == ("public.t", "public.u")


# what happens to table t while it is followed -> the words of the problem; "" where all is well
EVENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "emptied": (("TRUNCATE t", "ALTER TABLE t ADD COLUMN more int", "VACUUM FULL t"), ""),
    "dropped": (("DROP TABLE t",), "was dropped or renamed; bring it back"),
    "renamed": (("ALTER TABLE t RENAME TO u",), "was dropped or renamed; bring it back"),
    "made anew": (("DROP TABLE t", KEYED), "made anew, or another one was renamed to it"),
    "made anew and published": (
        ("DROP TABLE t", KEYED, "ALTER PUBLICATION kb_x_1 ADD TABLE t"),
        "made anew, or another one was renamed to it",
    ),
    "not published": (
        ("ALTER PUBLICATION kb_x_1 DROP TABLE t",),
        "publication kb_x_1 does not cover table public.t, so its changes do not come; take a full snapshot",
    ),
    "with fewer changes": (("ALTER TABLE t REPLICA IDENTITY NOTHING",), "run: ALTER TABLE public.t REPLICA IDENTITY"),
}


@pytest.mark.parametrize("case", EVENTS)
def test_what_becomes_of_a_table_that_is_followed_is_told(url: str, case: str) -> None:
    statements, words = EVENTS[case]
    query(url, KEYED)
    query(url, "CREATE TABLE still (id int PRIMARY KEY)")
    tables = ["public.still", "public.t"]
    capture = database(url).prepare("kb-x-1", tables, [])
    assert database(url).problems(capture) == []
    for statement in statements:
        query(url, statement)
    problems = database(url).problems(capture)
    assert len(problems) == bool(words)
    assert not words or words in problems[0]


def test_the_problems_of_many_tables_cost_no_more_questions_than_those_of_one(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [f"public.t{number}" for number in range(3)]
    for table in tables:
        query(url, f"CREATE TABLE {table} (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    captures = [database(url).prepare(f"kb-x-{count}", tables[:count], []) for count in (1, 3)]
    for table in tables:
        query(url, f"ALTER TABLE {table} REPLICA IDENTITY NOTHING")
    asked: list[object] = []
    execute = psycopg.Connection.execute

    def note(self: psycopg.Connection[Any], statement: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        asked.append(statement)
        return execute(self, statement, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", note)
    counts = []
    for capture in captures:
        problems = database(url).problems(capture)
        assert [words.split()[1] for words in problems] == list(capture.tables)
        counts.append(len(asked))
        asked.clear()
    assert counts[0] == counts[1]


def test_a_changed_mapping_does_not_hide_that_a_table_was_made_anew(url: str) -> None:
    query(url, KEYED)
    query(url, "CREATE TABLE still (id int PRIMARY KEY)")
    capture = database(url).prepare("kb-x-1", ["public.t"], [])
    query(url, "DROP TABLE t")
    query(url, KEYED)
    changed = database(url).change(capture, ["public.still", "public.t"], [])
    assert "public.t was dropped and made anew" in database(url).problems(changed)[0]

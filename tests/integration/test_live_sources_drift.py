"""Tables whose definition changes while a real connector and a worker follow them: told, and later rows are found."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from live_world import LiveWorld, live_world, mariadb, mariadb_database, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

import api.sources.second_look
from api.telemetry.worker_metrics import WorkerMetrics
from api.upkeep.maintenance import verify_collection
from api.upkeep.verification_result import SourceVerificationResult
from api.worker import open_worker
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
SCRIPT = """
    CREATE TABLE topics (id int PRIMARY KEY, name varchar(40), note text);
    CREATE TABLE faqs (id int PRIMARY KEY, topic_id int, question varchar(80), answer text, place int, spare text);
    INSERT INTO topics VALUES (1, 'Delivery', ''), (2, 'Returns', '');
    INSERT INTO faqs VALUES (1, 1, 'q1', 'a1', 1, ''), (2, 2, 'q2', 'a2', 2, ''), (3, 1, 'q3', 'a3', 3, '');"""
FAQS = {
    "title": "question",
    "body": "{question} {answer}\nTopic: {topic.name}",
    "metadata": ["place"],
    "include": {"topic": {"table": "topics", "on": {"id": "topic_id"}}},
}
Held = dict[str, tuple[str, dict[str, Any]]]  # text and metadata by key


@dataclass
class Shop:
    """A database with a live source `shop`, as it is mapped by now."""

    served: LiveWorld
    url: str
    schema: str
    tables: dict[str, Any] = field(default_factory=dict)
    last_notice: int = 0

    def run(self, *statements: str) -> None:
        for statement in statements:
            if self.schema == "public":
                query(self.url, statement)
            else:
                with mariadb(self.url) as cursor:
                    cursor.execute(statement)

    def retype(self, column: str, kind: str) -> None:
        using = f"ALTER {column} TYPE {kind} USING {column}::{kind}"
        self.run(f"ALTER TABLE faqs {using if self.schema == 'public' else f'MODIFY {column} {kind}'}")

    def mapped(self, **bodies: str) -> dict[str, Any]:
        """Tables with these bodies; what joins is as in `FAQS`."""
        found = {}
        for table, body in bodies.items():
            form = copy.deepcopy(FAQS) if table.startswith("faqs") else {"title": "id"}
            for include in form.get("include", {}).values():
                include["table"] = f"{self.schema}.{include['table']}"
            found[f"{self.schema}.{table}"] = form | {"body": body}
        return found

    def map(self, **bodies: str) -> None:
        self.tables = self.mapped(**bodies)
        changed = self.served.call("PATCH", "/shop?collection=shop", json={"tables": self.tables})
        assert changed.status_code == 200, changed.text

    def held(self) -> Held:
        catalog = self.served.api.kb.catalog
        collection, found = catalog.collections.get("shop"), {}
        for key in catalog.documents.keys(collection):
            with contextlib.suppress(NotFoundError):  # deleted meanwhile
                document = catalog.documents.get(collection, key, OPERATOR).document
                found[key] = (document.text, dict(document.metadata))
        return found

    def text(self, key: int, table: str = "faqs") -> str | None:
        return self.held().get(f"{self.schema}.{table}/{key}", (None, {}))[0]

    def selected(self) -> Held:
        documents = self.served.live.preview(self.url, self.tables, 50).documents
        return {one.key: (one.text, dict(one.metadata)) for one in documents}

    def follows(self) -> None:
        """Wait until the documents are what a SELECT makes of the tables, and nobody complains."""

        def differing() -> dict[str, Any]:
            wanted, found = self.selected(), self.held()
            keys = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
            return {key: (wanted.get(key), found.get(key)) for key in keys}

        eventually(differing, lambda different: different == {})
        assert self.verify().unreachable == "" and self.verified == {}
        assert self.problems() == []

    def problems(self) -> list[str]:
        """What the status asks a person to do; nothing stopped."""
        status = self.served.status("shop", "shop")
        assert (status["connector"]["task_state"], status["dead_letters"]) == ("RUNNING", 0), status
        return list(status["problems"])

    def notice(self, kind: str) -> str:
        """The message of the only notice since the last look."""
        told = [one for one in self.served.status("shop", "shop")["notices"] if one["id"] > self.last_notice]
        assert [one["kind"] for one in told] == [kind], told
        self.last_notice = told[0]["id"]
        return str(told[0]["message"])

    def verify(self, *, repair: bool = False) -> SourceVerificationResult:
        return verify_collection(self.served.api.kb, "shop", repair=repair).sources["shop"]

    @property
    def verified(self) -> dict[str, int]:
        return dict(self.verify().rows)


@pytest.fixture(params=["postgres", "mariadb"])
def shop(
    request: pytest.FixtureRequest, stack_of: StackOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setattr(api.sources.second_look, "SECOND_LOOK_SECONDS", 0.0)  # all has arrived by then
    script = tmp_path / "shop.sql"
    script.write_text(SCRIPT, encoding="utf-8")
    database = postgres_database if request.param == "postgres" else mariadb_database
    stack = stack_of(request.param, "kafka", "connect")
    with live_world(stack, tmp_path / "kb") as served, database(stack, script) as url:
        schema = "public" if request.param == "postgres" else url.rpartition("/")[2]
        opened = Shop(served, url, schema)
        opened.tables = opened.mapped(faqs=FAQS["body"])
        with running(open_worker(served.api.kb, WorkerMetrics())):
            assert served.create("shop", url, opened.tables, collection="shop").status_code == 201
            opened.follows()
            yield opened
            assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []


def test_columns_that_come_go_or_change_their_name_or_type(shop: Shop) -> None:
    shop.run(
        "ALTER TABLE faqs DROP COLUMN spare",
        "ALTER TABLE faqs ADD COLUMN more int",
        "ALTER TABLE faqs ADD COLUMN hint varchar(20) DEFAULT 'see below'",
        "ALTER TABLE topics ADD COLUMN kind varchar(20) DEFAULT 'general'",
        "INSERT INTO faqs (id, topic_id, question, answer, place, more) VALUES (4, 2, 'q4', 'a4', 4, 44)",
    )
    shop.follows()
    assert shop.notice("columns_added").endswith("new columns hint, more; the mapping does not name them: add them "
        "to it if they should be found")  # fmt: skip
    shop.map(faqs="{question} {answer} {hint}\nTopic: {topic.name}, {topic.kind}")
    shop.follows()
    assert shop.text(1) == "q1 a1 see below\nTopic: Delivery, general", "of rows that have not changed since"

    shop.run("ALTER TABLE faqs DROP COLUMN hint", "UPDATE faqs SET place = 11 WHERE id = 1")
    eventually(lambda: shop.text(1), lambda text: text == "q1 a1\nTopic: Delivery, general")
    assert shop.text(2) == "q2 a2 see below\nTopic: Returns, general"
    assert "the mapping names hint" in (told := shop.notice("columns_removed")) and "correct the mapping" in told
    assert "no column hint any more; mend the mapping" in shop.verify().unreachable
    assert shop.problems() == []

    shop.run("ALTER TABLE faqs ADD COLUMN hint varchar(20) DEFAULT 'new'", "UPDATE faqs SET place = 12 WHERE id = 1")
    eventually(lambda: shop.text(1), lambda text: text == "q1 a1 new\nTopic: Delivery, general")
    assert "the mapping names hint" in (told := shop.notice("columns_added")) and "take a new snapshot" in told
    assert shop.verified == {"changed": 3}
    again = {"tables": [f"{shop.schema}.faqs"]}
    assert shop.served.call("POST", "/shop/snapshot?collection=shop", json=again).status_code == 202
    shop.follows()

    shop.run("ALTER TABLE topics RENAME COLUMN name TO label", "UPDATE topics SET label = 'Refunds' WHERE id = 2")
    eventually(lambda: shop.text(2), lambda text: text == "q2 a2 new\nTopic: , general")
    assert "write label in the mapping" in shop.notice("maybe_renamed")
    shop.map(faqs="{question} {answer} {hint}\nTopic: {topic.label}, {topic.kind}")
    shop.follows()
    assert (shop.text(1), shop.text(2)) == (
        "q1 a1 new\nTopic: Delivery, general",
        "q2 a2 new\nTopic: Refunds, general",
    )

    shop.retype("place", "bigint")
    shop.retype("question", "text")
    shop.run(f"UPDATE faqs SET place = 5000000000, question = '{'long ' * 50}' WHERE id = 2")
    shop.follows()
    for kind, number, value in (("varchar(20)", 3, "33"), ("bigint", 1, 13)):
        shop.retype("place", kind)
        shop.run(f"UPDATE faqs SET place = '{value}' WHERE id = {number}")
        eventually(lambda one=f"{shop.schema}.faqs/{number}": shop.held()[one][1]["place"], lambda it, v=value: it == v)
        assert shop.verified == {"changed": 3}, "the others have the form of before"
        shop.verify(repair=True)
        shop.follows()


def test_tables_that_are_made_anew_renamed_or_added(shop: Shop) -> None:
    shop.run(
        "DROP TABLE faqs",
        "CREATE TABLE faqs (id int PRIMARY KEY, topic_id int, question text, answer text, place int)",
        "INSERT INTO faqs VALUES (2, 1, 'other q2', 'a2', 2), (7, 2, 'q7', 'a7', 7)",
        "UPDATE topics SET name = 'Shipping' WHERE id = 1",
    )
    eventually(lambda: shop.text(1), lambda text: text == "q1 a1\nTopic: Shipping")
    (problem,) = eventually(shop.problems)
    assert "made anew" in problem and problem.endswith("take a full snapshot")
    eventually(lambda: shop.verified, lambda rows: rows.get("surplus") == 2)
    shop.verify(repair=True)
    assert (shop.held(), shop.verified) == (shop.selected(), {})
    assert shop.problems() == [problem]
    assert shop.served.call("POST", "/shop/snapshot?collection=shop", json={"full": True}).status_code == 202
    shop.run("INSERT INTO faqs VALUES (8, 2, 'q8', 'a8', 8)")
    shop.follows()

    shop.run(
        "ALTER TABLE faqs RENAME TO faqs_now",
        "CREATE TABLE notes (id int PRIMARY KEY, note text)",
        "INSERT INTO notes VALUES (1, 'n1')",
        "DELETE FROM faqs_now WHERE id = 2",
        "UPDATE topics SET name = 'Money back' WHERE id = 2",
    )
    eventually(lambda: shop.text(8), lambda text: text == "q8 a8\nTopic: Money back")
    assert any(f"{shop.schema}.faqs" in problem and "renamed" in problem for problem in shop.problems())
    assert f"table {shop.schema}.faqs does not exist" in shop.verify().unreachable
    shop.map(faqs_now=FAQS["body"], notes="{note}")
    shop.follows()
    shop.run("INSERT INTO faqs_now VALUES (9, 1, 'q9', 'a9', 9)", "UPDATE notes SET note = 'n2'")
    shop.follows()
    assert (shop.text(9, "faqs_now"), shop.text(1, "notes")) == ("q9 a9\nTopic: Shipping", "n2")
    shop.served.api.app.state.services.source_monitor.look()  # ends the full snapshot, if nobody looked before
    assert sorted(shop.held()) == sorted(
        f"{shop.schema}.{row}" for row in ("faqs_now/7", "faqs_now/8", "faqs_now/9", "notes/1")
    )
    record = shop.served.api.kb.catalog.sources.get(shop.served.api.kb.catalog.collections.get("shop"), "shop")
    assert "rebuilding" not in record.config

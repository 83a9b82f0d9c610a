"""Another encoder takes over while a worker applies a live table's changes, with PostgreSQL and Elasticsearch."""

from __future__ import annotations

import contextlib
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import change_events
import pytest
from changing_world import text_of
from stack import StackOf
from waiting import eventually
from worker_world import World, cluster

from api.generations.reindex import reindex
from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_runtime
from api.upkeep.view_contents import differing_contents
from retrieval.catalog.generations import GenerationState
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import NotFoundError
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR

pytestmark = [pytest.mark.server, pytest.mark.slow]

TABLE, ROWS = "public.faqs", 30
CHANGES_PER_SECOND = 20
SMALL, SMALL_DIM = "hash-of-64", 64
PLUGIN = f"from retrieval.encoder.hashing import HashEncoder\n\ndef opened(**_):\n    return HashEncoder({SMALL_DIM})\n"


def install_encoder(folder: Path) -> str:
    """The second encoder as an installed distribution in that folder: PYTHONPATH for other processes."""
    described = folder / "small_encoder-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: small-encoder\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[autoglm_kb.encoder]\n{SMALL} = small_encoder:opened\n")
    (folder / "small_encoder.py").write_text(PLUGIN)
    return f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"


@dataclass
class Table:
    """A table whose changes reach Kafka, and searches for its rows: `wrong` is what they showed amiss.

    A version is given once. A search must show at least what the catalog had before it, and just that where the catalog
    has it afterwards too.
    """

    made: World
    serving: KnowledgeBase
    wrong: list[str] = field(default_factory=list)
    searches: int = 0
    changes: int = 0
    rows: dict[int, int] = field(default_factory=dict)  # number -> version that was sent
    _seen: dict[int, int] = field(default_factory=dict)  # number -> newest version that the catalog had
    _lsn: int = 1_000
    _stop: threading.Event = field(default_factory=threading.Event)

    def fill(self) -> None:
        self.made.send([self._put(number, "c") for number in range(ROWS)])

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Rows change, come and go inside the `with`, and are searched for."""
        threads = [threading.Thread(target=self._guarded, args=(run,)) for run in (self._change, self._search)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @property
    def expected(self) -> dict[str, int]:
        """Key -> version of what the catalog must hold once all is applied."""
        return {f"{TABLE}/{number}": version for number, version in self.rows.items()}

    @property
    def stored(self) -> dict[str, int]:
        """Key -> version of what the catalog holds."""
        return {f"{TABLE}/{number}": version for number in range(ROWS) if (version := self.version_of(number))}

    def version_of(self, number: int) -> int:
        """The row's version in the catalog; 0: it has none."""
        try:
            text = self.serving.catalog.documents.get(self.made.collection, f"{TABLE}/{number}", OPERATOR).document.text
        except NotFoundError:
            return 0
        return versions_in(text)[0]

    def _put(self, number: int, op: str) -> change_events.Event:
        self.rows[number] = version = self.changes + 1
        row = {"id": number, "title": f"station {number}", "body": text_of(number, version), "status": "a"}
        return self._event(number, op, row)

    def _event(self, number: int, op: str, row: dict[str, object] | None) -> change_events.Event:
        self.changes += 1
        self._lsn += 10
        return change_events.event(TABLE, op, number, row, self._lsn)

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # whatever it is, the test must tell it
            self.wrong.append(f"{run.__name__}: {error!r}")

    def _change(self) -> None:
        dice = random.Random(5)
        with change_events.producer(self.made.servers) as producer:
            while not self._stop.wait(1 / CHANGES_PER_SECOND):
                number = dice.randrange(ROWS)
                if number in self.rows and dice.random() < 0.2:
                    del self.rows[number]
                    one = self._event(number, "d", None)
                else:
                    one = self._put(number, "u" if number in self.rows else "c")
                change_events.send(producer, self.made.prefix, [one])

    def _search(self) -> None:
        dice = random.Random(7)
        while not self._stop.is_set():
            number = dice.randrange(ROWS)
            before = self.version_of(number)
            seq = self.serving.catalog.collections.last_seq(self.made.collection.id)
            asked = SearchRequest(f"subject{number}word", 20, group_by="chunk")
            found = self.serving.search("shop", asked, OPERATOR, min_seq=seq, timeout=30)
            texts = [hit.chunk.text for hit in found.hits if hit.chunk.key == f"{TABLE}/{number}"]
            shown = [version for text in texts for version in versions_in(text)]
            after, least = self.version_of(number), before or self._seen.get(number, 0) + 1  # what was seen is deleted
            if before and after == before and set(shown) != {before}:
                self.wrong.append(f"row {number} is at version {before}, shown was {shown}")
            elif min(shown, default=least) < least:
                self.wrong.append(f"row {number} was at version {least} at least, shown was {shown}")
            self._seen[number] = max(least - 1, before, after)
            self.searches += 1


def versions_in(text: str) -> list[int]:
    """The versions that a text, or a part of it, names."""
    return [int(version) for version in re.findall(r"release\d+x(\d+)\.", text)]


@pytest.fixture
def shop(stack_of: StackOf, tmp_path: Path) -> Iterator[tuple[World, dict[str, str]]]:
    if SMALL not in ENCODERS:
        ENCODERS.register(SMALL, lambda **_: HashEncoder(SMALL_DIM), "hashed words in fewer dimensions")
    with cluster(stack_of("postgres", "kafka", "elasticsearch"), tmp_path / "lead") as made:
        yield made


def test_an_encoder_takes_over_while_a_worker_applies_changes(
    shop: tuple[World, dict[str, str]], tmp_path: Path
) -> None:
    made, environment = shop
    environment["PYTHONPATH"] = install_encoder(tmp_path / "plugin")
    settings = made.kb.settings.model_copy(update={"data_dir": tmp_path / "serving"})
    command = [sys.executable, "-m", "api.cli", "worker"]
    former = made.collection.generation
    with KnowledgeBase.open(settings) as serving, subprocess.Popen(command, env=environment) as worker:
        table = Table(made, serving)
        try:
            table.fill()
            eventually(lambda: table.stored == table.expected, what="the worker applies the rows")
            with table.changing():
                before = table.changes
                eventually(lambda: table.searches > 3)
                reindex(made.kb, "shop", {"encoder": SMALL}, lambda done, total: None)
                built, searched = table.changes, table.searches
                eventually(lambda: serving.runtime("shop").encoder.dim == SMALL_DIM, what="the other process switches")
                eventually(lambda: table.searches > searched + 10 and table.changes > built + CHANGES_PER_SECOND)
            eventually(lambda: table.stored == table.expected, what="the worker applies the rest")
        finally:
            worker.terminate()
    assert table.wrong == []
    assert built > before + 5, "rows changed while it was built"
    assert_both_are_whole(made, former)


def assert_both_are_whole(made: World, former: int) -> None:
    """Whichever of the generations serves next, nothing is missing."""
    record = made.kb.catalog.collections.get("shop")
    states = {one.id: one.state for one in made.kb.catalog.generations.all(record)}
    assert states == {former: GenerationState.STANDBY, record.generation: GenerationState.SERVING}
    runtime = made.kb.runtime("shop")
    verdict = verify_runtime(made.kb, runtime)
    assert verdict.in_step, verdict.sentence()
    assert not differing_contents(made.kb.catalog, runtime).labels()
    standby = made.kb.catalog.log.state(made.kb.catalog.collections.seen_by(record.id, former))
    assert (len(standby.labels), len(standby.unembedded)) == (verdict.chunks, 0)

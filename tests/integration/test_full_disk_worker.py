"""A worker whose catalog's disk is full: it says so once, waits, and goes on where it was."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_disk
from stack import StackOf
from waiting import eventually
from worker_world import world

pytestmark = [pytest.mark.server, pytest.mark.slow]

SILENT_SECONDS = 2.0  # in which the worker tries again more than once


def test_a_full_disk_stops_the_worker_until_it_is_free(tmp_path: Path, stack_of: StackOf) -> None:
    servers, log = stack_of("kafka").url("kafka"), tmp_path / "worker.log"
    with (
        small_disk.mounted(tmp_path / "disk", "60m") as disk,
        world(disk / "data", servers, encoder="hash") as shop,
        log.open("w") as told,
    ):
        command, environment = [sys.executable, "-m", "api.cli", "worker"], shop.environment | {"KB_ENCODER": "hash"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told) as worker:
            try:
                shop.send(shop.history.changes(100))
                eventually(lambda: shop.documents == shop.history.documents, what="the first changes are applied")
                before, filler = shop.documents, small_disk.fill(disk)
                shop.send(shop.history.changes(500))
                eventually(lambda: "the worker stops" in log.read_text(), what="the worker says that it stops")
                time.sleep(SILENT_SECONDS)
                assert shop.documents == before
                filler.unlink()
                eventually(lambda: shop.documents == shop.history.documents, what="the other changes are applied")
                eventually(
                    lambda: "the servers answer again" in log.read_text(), what="the worker says that it goes on"
                )
            finally:
                worker.terminate()
                assert worker.wait(60) == 0
        assert shop.kb.catalog.sources.dead_letters(shop.collection) == []
    said = log.read_text()
    assert (said.count("the worker stops"), said.count("the servers answer again")) == (1, 1), said
    assert "free space on the data folder's disk" in said and "Traceback" not in said

"""Jobs that a real Celery worker runs over a real Redis are watched, cancelled and tried again through REST."""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import lt
from pathlib import Path
from typing import Any

import httpx
import pytest
from counting_jobs import Diary, install_plugin
from kb_processes import Process, Server, end_all
from redis_process import Redis
from waiting import eventually, job_ended

from retrieval.catalog import Catalog, sqlite_url

pytestmark = [pytest.mark.slow, pytest.mark.server]

ENDLESS = 100_000  # steps
RACERS = 6


class Site:
    """A server, its broker, and one worker or none."""

    def __init__(self, folder: Path) -> None:
        install_plugin(folder / "plugin")
        (folder / "kb").mkdir()
        self._folder, self._redis = folder, Redis()
        self._numbers = itertools.count()
        self._server = Server(folder, KB_REDIS_URL=self._redis.url)
        self._worker: Process | None = None
        self.client = self._server.client(self._server.key)
        self.catalog = Catalog(sqlite_url(folder / "kb" / "catalog.db"))

    def worker(self) -> Process:
        """The worker; it is started where none runs."""
        if self._worker is None or self._worker.process.poll() is not None:
            self._worker = Process(self._folder, "celery", "worker", KB_REDIS_URL=self._redis.url)
        return self._worker

    def rest(self) -> None:
        """No worker runs afterwards."""
        if self._worker is not None:
            self._worker.kill(signal.SIGTERM)

    def asked(self, steps: int, *files: str) -> tuple[str, Diary]:
        """Where the new job is, and its diary with these files beside it."""
        diary = Diary(self._folder / f"diary-{next(self._numbers)}")
        for name in files:
            diary.put(name)
        body = {"kind": "count", "arguments": {"log": str(diary.path), "steps": steps}}
        answer = self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"]), diary

    def seen(self, job: str) -> dict[str, Any]:
        """What REST tells of the job."""
        found: dict[str, Any] = self.client.get(job).json()
        return found

    def running(self, steps: int, *files: str) -> tuple[str, Diary]:
        """As `asked`, of a job that has begun to work."""
        job, diary = self.asked(steps, *files)
        eventually(diary.counted, lambda counted: counted["begin"] > 0, what="the job's begin")
        return job, diary

    def act(self, job: str, act: str) -> httpx.Response:
        """What REST answers to cancel or retry."""
        return self.client.post(f"{job}/{act}")

    def ended(self, job: str) -> dict[str, Any]:
        """What REST tells of the job once it has ended."""
        return job_ended(lambda: self.seen(job))

    def retried_at_once(self, job: str) -> Counter[int]:
        """How often REST answered what to several who ask for a retry in one moment."""
        with ThreadPoolExecutor(RACERS) as pool:
            return Counter(pool.map(lambda _: self.act(job, "retry").status_code, range(RACERS)))

    def close(self) -> None:
        """No process outlives the tests."""
        self.client.close()
        self.catalog.close()
        end_all([self._server] + ([self._worker] if self._worker else []))
        self._redis.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    opened = Site(tmp_path_factory.mktemp("site"))
    yield opened
    opened.close()


def test_what_is_cancelled_while_no_worker_runs_is_never_begun(site: Site) -> None:
    site.rest()
    cancelled, untouched = site.asked(1)
    again, diary = site.asked(1)
    plain, _ = site.asked(1)
    eventually(lambda: site.catalog.jobs.unsent(60), lambda unsent: not unsent, what="the broker's being told")
    for job in (cancelled, again):
        assert site.act(job, "cancel").json()["state"] == "cancelled"
        assert site.act(job, "cancel").status_code == 409
    assert site.act(again, "retry").json()["state"] == "queued"
    assert site.act(again, "retry").status_code == 409
    site.worker()
    assert [site.ended(job)["state"] for job in (plain, again)] == ["succeeded", "succeeded"]  # told of in this order
    assert site.seen(cancelled)["state"] == "cancelled" and untouched.lines() == []
    assert diary.counted()["begin"] == 1, "the broker had two messages of it"


def test_progress_is_seen_while_a_job_runs_until_it_is_cancelled(site: Site) -> None:
    worker = site.worker()
    job, diary = site.running(ENDLESS)
    done = 0
    for _ in range(3):
        done = eventually(lambda: int(site.seen(job)["done"]), partial(lt, done), what="progress")
    shown = site.seen(job)
    assert (shown["state"], shown["total"], shown["attempts"]) == ("running", ENDLESS, 1)
    with site.client.stream("GET", f"{job}/events") as events:
        lines = events.iter_lines()
        assert next(line for line in lines if line.startswith("data:") and '"state":"running"' in line)
        assert site.act(job, "cancel").json()["state"] == "cancelled"
        assert [line for line in lines if line.startswith("data:")][-1].count('"state":"cancelled"') == 1
    assert site.retried_at_once(job) == {202: 1, 409: RACERS - 1}
    diary.put("enough")
    ended = site.ended(job)
    assert (ended["state"], ended["attempts"], ended["result"]) == ("succeeded", 1, {"steps": ENDLESS})
    assert diary.pids() == [worker.process.pid] * 2 and diary.counted()["overlap"] == 0


def test_a_failed_job_is_tried_again_once_however_many_ask(site: Site) -> None:
    worker = site.worker()
    job, diary = site.asked(2, "stone")
    failed = site.ended(job)
    assert (failed["state"], failed["error_code"], failed["result"]) == ("failed", "invalid_input", None)
    assert "take it away" in failed["error"] and failed["finished_at"]
    diary.take("stone")
    assert site.retried_at_once(job) == {202: 1, 409: RACERS - 1}
    done = site.ended(job)
    assert (done["state"], done["error"], done["error_code"], done["done"]) == ("succeeded", "", "", 2)
    assert diary.pids() == [worker.process.pid] * 2 and diary.counted()["overlap"] == 0


def test_a_job_cancelled_after_its_last_report_stays_cancelled(site: Site) -> None:
    site.worker()
    job, diary = site.running(1, "deaf")
    eventually(diary.counted, lambda counted: counted["deaf"] > 0, what="the last report")
    assert site.act(job, "cancel").json()["state"] == "cancelled"
    refused = site.act(job, "retry")
    assert refused.status_code == 409 and "has not stopped yet" in refused.text
    diary.take("deaf")
    eventually(lambda: site.act(job, "retry").status_code, lambda status: status == 202)
    done = site.ended(job)
    assert (done["state"], diary.counted()["begin"], diary.counted()["overlap"]) == ("succeeded", 2, 0)


def test_cancelling_as_a_job_ends_is_told_truly(site: Site) -> None:
    """Either it was in time, and nothing came of the job, or the refusal says how it ended."""
    site.worker()
    answers: Counter[int] = Counter()
    for number in range(12):
        job, diary = site.running(1 + number % 3)
        answer = site.act(job, "cancel")
        done = site.ended(job)
        answers[answer.status_code] += 1
        assert (done["state"], done["result"] is None) == (
            ("cancelled", True) if answer.status_code == 200 else ("succeeded", False)
        )
        assert answer.status_code == 200 or "(succeeded)" in answer.text
    assert answers.keys() <= {200, 409}


def test_what_was_cancelled_is_tried_again_though_its_worker_was_killed(site: Site) -> None:
    killed = site.worker()
    job, diary = site.running(1, "deaf")
    assert site.act(job, "cancel").json()["state"] == "cancelled"
    killed.kill()
    diary.take("deaf")
    assert site.act(job, "retry").status_code == 202, "nobody is left who could stop"
    worker = site.worker()
    assert site.ended(job)["state"] == "succeeded"
    assert diary.pids() == [killed.process.pid, worker.process.pid]

"""What measures of a beat and of a worker say of schedules: over a real Redis, and without one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry
from redis_process import Redis

from api.jobs.celery_app import RUN_JOB, TICK, make_app, tell_of_ticks
from api.jobs.celery_worker import CeleryWorker
from api.telemetry.beat_metrics import BeatMetrics
from api.telemetry.job_metrics import JobMetrics
from infra.settings import Settings

pytestmark = pytest.mark.server


@pytest.fixture
def redis() -> Iterator[Redis]:
    broker = Redis()
    yield broker
    broker.kill()


def last(registry: CollectorRegistry, what: str) -> float:
    found = registry.get_sample_value(f"kb_{what}_timestamp_seconds")
    assert found is not None
    return found


def test_beat_was_heard_when_the_broker_took_its_tick_and_not_while_that_is_gone(redis: Redis) -> None:
    metrics = BeatMetrics()
    tell_of_ticks(metrics.ticked)
    with make_app(Settings(redis_url=redis.url)) as app:
        app.send_task(RUN_JOB, ("0" * 32,))
        assert last(metrics.registry, "beat_last_tick") == 0.0
        began = time.time()
        app.send_task(TICK)
        heard = last(metrics.registry, "beat_last_tick")
        assert began <= heard <= time.time()
        redis.kill()
        with pytest.raises(OperationalError):
            app.send_task(TICK, retry=False)
        assert last(metrics.registry, "beat_last_tick") == heard


def test_a_worker_tells_when_it_looked_at_schedules_and_not_that_its_catalog_was_away(tmp_path: Path) -> None:
    settings = Settings(redis_url="redis://localhost:1/0", data_dir=tmp_path, encoder="hash")
    metrics = JobMetrics()
    with make_app(settings) as app:
        worker = CeleryWorker(app, settings, metrics)
        assert last(metrics.registry, "schedules_last_look") == 0.0
        worker.tick()
        looked = last(metrics.registry, "schedules_last_look")
        assert abs(time.time() - looked) < 60
        with closing(sqlite3.connect(tmp_path / "catalog.db")) as database:
            database.execute("ALTER TABLE jobs RENAME TO away")
        worker.tick()
        assert last(metrics.registry, "schedules_last_look") == looked
        worker._close()


def test_applications_of_one_process_have_workers_of_their_own() -> None:
    first, second = (make_app(Settings(redis_url="redis://localhost:1/0")) for _ in range(2))
    workers = [app.tasks[TICK].run.__closure__[0].cell_contents for app in (first, second)]
    assert [type(one) for one in workers] == [CeleryWorker] * 2 and workers[0] is not workers[1]

"""Jobs and schedules keep their promises on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from api.jobs.asking import tried_again
from retrieval.catalog import Catalog, schema
from retrieval.catalog.jobs import MAX_ATTEMPTS, JobFilter, JobRecord, JobState
from retrieval.catalog.schedules import NewSchedule
from retrieval.catalog.schema import schedules, utc_now
from retrieval.errors import ConflictError, NotFoundError, NotStoppedError

KINDS = ("verify", "evaluate")
RACERS = 8


@pytest.fixture
def open_catalog(url: str) -> Iterator[Callable[[], Catalog]]:
    """Opens the same catalog again and again, as several processes do."""
    opened: list[Catalog] = []

    def opener() -> Catalog:
        opened.append(Catalog(url))
        return opened[-1]

    yield opener
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(open_catalog: Callable[[], Catalog]) -> Catalog:
    return open_catalog()


def queued(catalog: Catalog, kind: str = "verify", collection: str = "handbook") -> str:
    return catalog.jobs.create(kind, collection, {"n": 1}).id


def claimed(catalog: Catalog, runner: str = "here:1:a") -> JobRecord:
    job = catalog.jobs.claim(runner, KINDS)
    assert job is not None
    return job


def test_a_job_moves_along_its_states_and_no_further(catalog: Catalog) -> None:
    queued(catalog)
    job = claimed(catalog)
    assert (job.state, job.attempts) == (JobState.RUNNING, 1) and job.runner.startswith("here:1:a/")
    assert catalog.jobs.progress(job, 5, 10) and catalog.jobs.beat(job)
    assert catalog.jobs.succeed(job, {"found": 3}, 10, 10)
    ended = catalog.jobs.get(job.id)
    assert (ended.state, ended.done, ended.result) == (JobState.SUCCEEDED, 10, {"found": 3})
    assert not catalog.jobs.fail(job, "too late", "failed") and not catalog.jobs.progress(job, 11, 11)
    with pytest.raises(ConflictError, match="ended already"):
        catalog.jobs.cancel(job.id)
    with pytest.raises(ConflictError, match="only failed and cancelled"):
        catalog.jobs.retry(job.id)


def test_dropping_a_collection_ends_its_jobs_and_schedules(catalog: Catalog) -> None:
    catalog.collections.create("handbook", "hash", "fp")
    queued(catalog)
    ended, running = claimed(catalog), queued(catalog, "evaluate")
    assert catalog.jobs.succeed(ended, {"found": 3})
    attempt, waiting, others = claimed(catalog), queued(catalog), queued(catalog, collection="other")
    for number, collection in enumerate(("handbook", "other", "")):
        catalog.schedules.create(NewSchedule(f"s{number}", "verify", collection, {}, 60))
    catalog.collections.drop("handbook")
    assert [one.name for one in catalog.schedules.all()] == ["s1", "s2"]
    states = {one: catalog.jobs.get(one).state.value for one in (ended.id, running, waiting, others)}
    assert list(states.values()) == ["succeeded", "cancelled", "cancelled", "queued"]
    assert not catalog.jobs.progress(attempt, 1, 2) and not catalog.jobs.beat(attempt)
    assert claimed(catalog).id == others
    assert catalog.jobs.page(wanted=JobFilter(collections=["handbook"])) == []
    assert catalog.jobs.retry(waiting).collection == "handbook (deleted)"


def test_each_job_is_claimed_once_by_many_at_once(open_catalog: Callable[[], Catalog]) -> None:
    catalogs = [open_catalog() for _ in range(RACERS)]
    wanted = {queued(catalogs[0]) for _ in range(20)}
    barrier = threading.Barrier(RACERS)

    def race(catalog: Catalog) -> list[str]:
        barrier.wait()
        taken = []
        while (job := catalog.jobs.claim("x", KINDS)) is not None:
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(RACERS) as pool:
        taken = [job_id for ids in pool.map(race, catalogs) for job_id in ids]
    assert sorted(taken) == sorted(wanted)


def test_only_known_kinds_are_claimed_and_the_oldest_first(catalog: Catalog) -> None:
    queued(catalog, "from-a-plug-in")
    first, second = queued(catalog), queued(catalog, "evaluate")
    assert [claimed(catalog).id, claimed(catalog).id] == [first, second]
    assert catalog.jobs.claim("x", KINDS) is None


def test_a_cancelled_job_is_tried_again_once_its_work_has_stopped(catalog: Catalog) -> None:
    queued(catalog)
    job = claimed(catalog)
    catalog.jobs.cancel(job.id)
    assert not catalog.jobs.progress(job, 1, 2) and not catalog.jobs.beat(job)
    assert not catalog.jobs.succeed(job, {}) and not catalog.jobs.put_back(job)
    with pytest.raises(ConflictError, match="has not stopped yet"):
        catalog.jobs.retry(job.id)
    catalog.jobs.let_go(job)
    again = catalog.jobs.retry(job.id)
    assert (again.state, again.attempts, again.done) == (JobState.QUEUED, 0, 0)
    assert claimed(catalog).attempts == 1


def test_a_cancelled_job_is_tried_again_at_once_where_its_process_is_known_to_be_dead(catalog: Catalog) -> None:
    queued(catalog)
    job = claimed(catalog)
    catalog.jobs.cancel(job.id)
    with pytest.raises(NotStoppedError):
        catalog.jobs.retry(job.id, lambda runner: runner.startswith("there:1:a/"))
    assert catalog.jobs.retry(job.id, lambda runner: runner.startswith("here:1:a/")).state is JobState.QUEUED


def test_one_of_many_who_try_again_at_once_succeeds(open_catalog: Callable[[], Catalog]) -> None:
    catalogs = [open_catalog() for _ in range(RACERS)]
    job_id = queued(catalogs[0])
    assert catalogs[0].jobs.fail(claimed(catalogs[0]), "broken", "failed")
    barrier = threading.Barrier(RACERS)

    def race(catalog: Catalog) -> bool:
        barrier.wait()
        try:
            catalog.jobs.retry(job_id)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        assert sum(pool.map(race, catalogs)) == 1


def test_a_refused_cancel_tells_how_the_job_ended_though_it_ended_in_that_moment(
    open_catalog: Callable[[], Catalog],
) -> None:
    worker, caller = open_catalog(), open_catalog()
    for _ in range(20):
        queued(worker)
        job, barrier = claimed(worker), threading.Barrier(2)

        def end(job: JobRecord = job, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            worker.jobs.succeed(job, {})

        ending = threading.Thread(target=end)
        ending.start()
        barrier.wait()
        try:
            caller.jobs.cancel(job.id)
        except ConflictError as refusal:
            assert "(succeeded)" in str(refusal)
        ending.join()


def test_whoever_cancels_and_at_once_tries_again_waits_for_the_work_to_stop(catalog: Catalog) -> None:
    queued(catalog)
    job = claimed(catalog)
    catalog.jobs.cancel(job.id)
    with pytest.raises(NotStoppedError, match="retry in a moment"):
        tried_again(catalog.jobs, job.id, patience=0.1)
    work = threading.Timer(0.3, catalog.jobs.let_go, [job])
    work.start()
    assert tried_again(catalog.jobs, job.id).state is JobState.QUEUED
    work.join()
    with pytest.raises(ConflictError, match="is queued"):
        tried_again(catalog.jobs, job.id)


def test_a_resting_job_is_taken_back_when_its_heartbeat_is_old_and_tried_again_at_once_when_cancelled(
    catalog: Catalog,
) -> None:
    queued(catalog)
    job = claimed(catalog)
    assert catalog.jobs.rest(job) and not catalog.jobs.progress(job, 1, 2)
    assert catalog.jobs.take_back() == []
    assert [one.state for one in catalog.jobs.take_back(silent_seconds=0.0)] == [JobState.QUEUED]
    again = claimed(catalog)
    assert again.attempts == 2 and catalog.jobs.rest(again)
    catalog.jobs.cancel(job.id)
    assert catalog.jobs.retry(job.id).state is JobState.QUEUED
    last = claimed(catalog)
    catalog.jobs.cancel(job.id)
    assert not catalog.jobs.rest(last)


def test_trying_again_makes_no_second_open_job_of_a_schedule(catalog: Catalog) -> None:
    catalog.schedules.create(nightly())
    failed = catalog.schedules.run("nightly")
    assert catalog.jobs.fail(claimed(catalog), "broken", "conflict")
    assert catalog.jobs.get(failed).error_code == "conflict"
    due = catalog.schedules.run("nightly")
    with pytest.raises(ConflictError, match=f"'nightly' has an open job already, {due}"):
        catalog.jobs.retry(failed)
    assert catalog.jobs.succeed(claimed(catalog), {})
    again = catalog.jobs.retry(failed)
    assert (again.state, again.error, again.error_code) == (JobState.QUEUED, "", "")


def test_waiting_is_told_by_kind_from_the_oldest(catalog: Catalog) -> None:
    queued(catalog)
    time.sleep(0.2)
    between = utc_now()
    queued(catalog)
    queued(catalog, kind="evaluate")
    claimed(catalog)
    waiting = catalog.jobs.waiting()
    assert waiting.keys() == {"verify", "evaluate"}
    assert 0 <= waiting["verify"] <= (utc_now() - between).total_seconds(), "the second, as the first runs"
    cancelled = claimed(catalog)
    catalog.jobs.cancel(cancelled.id)
    assert catalog.jobs.waiting().keys() == {"evaluate"}
    catalog.jobs.let_go(cancelled)
    time.sleep(0.2)
    between = utc_now()
    assert catalog.jobs.retry(cancelled.id).updated_at >= between
    assert catalog.jobs.waiting()["verify"] <= (utc_now() - between).total_seconds(), "since it was asked for again"


def test_putting_back_does_not_count_as_an_attempt(catalog: Catalog) -> None:
    queued(catalog)
    for _ in range(2 * MAX_ATTEMPTS):
        job = claimed(catalog)
        assert job.attempts == 1 and catalog.jobs.put_back(job)
    assert catalog.jobs.get(job.id).state is JobState.QUEUED


def test_a_silent_job_is_taken_back_and_its_old_runner_changes_nothing(catalog: Catalog) -> None:
    queued(catalog)
    asleep = claimed(catalog)
    assert catalog.jobs.take_back() == []
    time.sleep(0.05)
    assert [job.state for job in catalog.jobs.take_back(silent_seconds=0.01)] == [JobState.QUEUED]
    awake = claimed(catalog, "there:2:b")
    assert not catalog.jobs.beat(asleep) and not catalog.jobs.progress(asleep, 1, 1)
    assert not catalog.jobs.succeed(asleep, {}) and not catalog.jobs.put_back(asleep)
    assert catalog.jobs.get(awake.id) == awake


def test_a_job_that_kills_its_process_again_and_again_fails(catalog: Catalog) -> None:
    job_id = queued(catalog)
    for _ in range(MAX_ATTEMPTS):
        claimed(catalog)
        (taken,) = catalog.jobs.take_back(lambda runner: runner.startswith("here:1:a/"))
    assert taken.id == job_id and taken.state is JobState.FAILED
    assert f"{MAX_ATTEMPTS} times" in taken.error and "here:1:a" in taken.error
    assert taken.error_code == "process_died"
    assert catalog.jobs.retry(job_id).attempts == 0


def test_jobs_are_told_to_a_broker_until_they_run(catalog: Catalog) -> None:
    first, second = queued(catalog), queued(catalog)
    assert [job.id for job in catalog.jobs.unsent(60)] == [first, second]
    catalog.jobs.mark_sent(catalog.jobs.get(first))
    assert [job.id for job in catalog.jobs.unsent(60)] == [second]
    time.sleep(0.02)
    assert len(catalog.jobs.unsent(0.01)) == 2
    catalog.jobs.put_back(claimed(catalog))
    assert first in {job.id for job in catalog.jobs.unsent(60)}


def test_a_job_queued_anew_while_a_broker_was_told_is_told_again(catalog: Catalog) -> None:
    queued(catalog)
    (told,) = catalog.jobs.unsent(60)
    catalog.jobs.put_back(claimed(catalog))  # the message came, and was used up, before it was marked as sent
    catalog.jobs.mark_sent(told)
    assert [job.id for job in catalog.jobs.unsent(60)] == [told.id]
    (told,) = catalog.jobs.unsent(60)
    catalog.jobs.mark_unsent(told.id)  # or it came to a worker that stops
    catalog.jobs.mark_sent(told)
    assert [job.id for job in catalog.jobs.unsent(60)] == [told.id]


def test_pages_counts_and_pruning(catalog: Catalog) -> None:
    old = queued(catalog, collection="other")
    catalog.jobs.fail(claimed(catalog), "broken", "failed")
    new = queued(catalog, "evaluate")
    assert [job.id for job in catalog.jobs.page()] == [new, old]
    assert [job.id for job in catalog.jobs.page(wanted=JobFilter("failed"))] == [old]
    assert [job.id for job in catalog.jobs.page(wanted=JobFilter(kind="evaluate"))] == [new]
    assert catalog.jobs.page(wanted=JobFilter("failed", collections=["handbook"])) == []
    assert catalog.jobs.counts() == {("verify", JobState.FAILED): 1, ("evaluate", JobState.QUEUED): 1}
    assert catalog.jobs.prune(utc_now() - timedelta(days=1)) == []
    assert catalog.jobs.prune(utc_now()) == [old]
    assert [job.id for job in catalog.jobs.page()] == [new]


def test_jobs_of_one_moment_are_all_on_some_page(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = utc_now()
    monkeypatch.setattr(schema, "utc_now", lambda: moment)
    jobs = {queued(catalog) for _ in range(5)}
    found: list[str] = []
    while page := catalog.jobs.page(2, (moment, found[-1]) if found else None):
        found += [job.id for job in page]
    assert len(found) == 5 and set(found) == jobs


def nightly(**changes: object) -> NewSchedule:
    values = {"name": "nightly", "kind": "verify", "collection": "", "arguments": {"repair": False}} | changes
    return NewSchedule(**({"every_seconds": 3600} | values))  # type: ignore[arg-type]


def test_a_due_schedule_asks_once_however_many_look(open_catalog: Callable[[], Catalog]) -> None:
    catalogs = [open_catalog() for _ in range(RACERS)]
    due_at = utc_now() - timedelta(seconds=2.5 * 3600)
    catalogs[0].schedules.create(nightly(first_at=due_at))
    barrier = threading.Barrier(RACERS)

    def race(catalog: Catalog) -> list[str]:
        barrier.wait()
        return catalog.schedules.start_due()

    with ThreadPoolExecutor(RACERS) as pool:
        started = [job_id for ids in pool.map(race, catalogs) for job_id in ids]
    assert len(started) == 1
    job, schedule = catalogs[0].jobs.get(started[0]), catalogs[0].schedules.get("nightly")
    assert (job.kind, job.arguments, job.schedule) == ("verify", {"repair": False}, "nightly")
    assert schedule.last_job == job.id
    assert schedule.next_at == due_at + timedelta(seconds=3 * 3600)  # missed times count as one, the beat is kept


def test_nothing_piles_up_while_a_job_of_the_schedule_is_open(catalog: Catalog) -> None:
    catalog.schedules.create(nightly(every_seconds=1, first_at=utc_now() - timedelta(seconds=10)))
    (first,) = catalog.schedules.start_due()
    catalog.schedules.change("nightly", next_at=utc_now() - timedelta(seconds=10))
    assert catalog.schedules.start_due() == []
    with pytest.raises(ConflictError, match="open job"):
        catalog.schedules.run("nightly")
    catalog.jobs.cancel(first)
    catalog.schedules.change("nightly", next_at=utc_now() - timedelta(seconds=10))
    assert len(catalog.schedules.start_due()) == 1


def test_times_that_could_not_be_read_again_are_not_stored(catalog: Catalog) -> None:
    far_west, far_east = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))
    for moment in (datetime.max.replace(tzinfo=far_west), datetime.min.replace(tzinfo=far_east)):
        with pytest.raises(sa.exc.StatementError, match="outside the years 1 to 9999"):
            catalog.schedules.create(nightly(first_at=moment))
    assert catalog.schedules.all() == []
    for moment in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)):
        assert catalog.schedules.create(nightly(name=f"in-{moment.year}", first_at=moment)).next_at == moment


def test_times_stored_before_they_were_refused_are_read_and_can_be_left_behind(catalog: Catalog) -> None:
    for name in ("early", "late"):
        catalog.schedules.create(nightly(name=name))
    with catalog._engine.begin() as connection:
        for name, year in (("early", -9), ("late", 12_000)):
            stored = sa.literal((year - 1970) * 365 * 86_400 * 10**6, sa.BigInteger())
            connection.execute(schedules.update().where(schedules.c.name == name).values(next_at=stored))
    assert [one.next_at for one in catalog.schedules.all()] == [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ]
    assert len(catalog.schedules.start_due()) == 1 and catalog.schedules.start_due() == []
    assert catalog.schedules.get("early").next_at > utc_now()
    soon = utc_now() + timedelta(hours=1)
    assert catalog.schedules.change("late", next_at=soon).next_at == soon


def test_a_disabled_schedule_runs_only_when_asked(catalog: Catalog) -> None:
    catalog.schedules.create(nightly(enabled=False, first_at=utc_now() - timedelta(seconds=10)))
    assert catalog.schedules.start_due() == []
    before = catalog.schedules.get("nightly").next_at
    assert catalog.jobs.get(catalog.schedules.run("nightly")).state is JobState.QUEUED
    assert catalog.schedules.get("nightly").next_at == before


def test_schedules_are_made_changed_and_deleted(catalog: Catalog) -> None:
    made = catalog.schedules.create(nightly())
    assert abs((made.next_at - made.created_at).total_seconds() - 3600) < 1
    with pytest.raises(ConflictError, match="nightly"):
        catalog.schedules.create(nightly())
    assert not catalog.schedules.ensure(nightly(every_seconds=5))
    assert catalog.schedules.change("nightly", every_seconds=60).every_seconds == 60
    assert [one.name for one in catalog.schedules.all()] == ["nightly"]
    catalog.schedules.delete("nightly")
    for forgotten in (catalog.schedules.get, catalog.schedules.delete, catalog.schedules.run):
        with pytest.raises(NotFoundError):
            forgotten("nightly")

"""Jobs and schedules over REST: who may ask for what, what is refused, what is shown."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import served
from waiting import eventually

from api.jobs.defaults import DEFAULTS
from api.jobs.kinds import TASKS
from api.jobs.tasks import CALLER, InterruptedJobError, Report, Task
from api.jobs.uploads import About, keep
from api.wire.jobs import NoArguments
from retrieval.catalog import Collection, CollectionSettings
from retrieval.catalog.jobs import MAX_ATTEMPTS, OPEN_STATES
from retrieval.catalog.keys import Scope
from retrieval.catalog.schedules import NewSchedule
from retrieval.catalog.schema import utc_now
from retrieval.errors import NotFoundError, OutageError


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("jobs")) as opened:
        served.fill(opened)
        yield opened


@pytest.fixture(scope="module")
def admin(api: served.Served) -> dict[str, str]:
    return api.headers(Scope.ADMIN)


def docs_of(api: served.Served) -> Collection:
    return api.kb.catalog.collections.get("docs")


def start(api: served.Served, headers: dict[str, str], kind: str, collection: str = "", **arguments: Any) -> Any:
    body = {"kind": kind, "collection": collection, "arguments": arguments}
    return api.client.post("/v1/jobs", json=body, headers=headers)


def test_every_upkeep_job_succeeds_while_serving(api: served.Served, admin: dict[str, str]) -> None:
    api.client.delete("/v1/collections/docs/documents/faq/zh?wait_for=searchable", headers=admin)
    for kind in ("verify", "compaction", "snapshot", "retention"):
        job = api.ended(start(api, admin, kind).headers["location"], admin)
        assert (job["state"], job["error"]) == ("succeeded", ""), job
        assert job["done"] == job["total"]
    runtime = api.kb.runtime("docs")
    assert runtime.follower.is_durable
    verified = api.ended(start(api, admin, "verify", "docs", repair=True).headers["location"], admin)
    assert verified["result"]["in_step"] is True
    assert verified["result"]["collections"][0]["documents"] == 2
    found = api.client.post("/v1/search", json={"collection": "docs", "query": "warranty"}, headers=admin).json()
    assert found["hits"][0]["key"] == "faq/warranty"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "verify", "arguments": {"repair": "certainly"}}, 422),
        ({"kind": "verify", "arguments": {"unknown": 1}}, 422),
        ({"kind": "verify", "arguments": {CALLER: {"name": "x", "groups": [], "sees_all": True}}}, 422),
        ({"kind": "unheard-of"}, 422),
        ({"kind": "reindex"}, 422),  # it is of one collection
        ({"kind": "retention", "collection": "docs"}, 422),  # it is of none
        ({"kind": "verify", "collection": "absent"}, 404),
        ({"kind": "evaluate", "collection": "docs"}, 422),
        ({"kind": "verify", "collection": "../x"}, 422),
        ({"kind": "evaluate", "collection": "docs", "arguments": {"eval_set": "absent"}}, 404),
        ({"kind": "source_snapshot", "collection": "docs", "arguments": {"source": "absent"}}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    api: served.Served, admin: dict[str, str], body: dict[str, Any], status: int
) -> None:
    before = len(api.kb.catalog.jobs.page(1000))
    answer = api.client.post("/v1/jobs", json=body, headers=admin)
    assert answer.status_code == status, answer.text
    schedule = {"name": "nonsense", "every_seconds": 60} | body
    assert api.client.post("/v1/schedules", json=schedule, headers=admin).status_code == status
    assert len(api.kb.catalog.jobs.page(1000)) == before


def test_who_may_ask(api: served.Served, admin: dict[str, str]) -> None:
    reader, writer = api.headers(), api.headers(Scope.WRITE)
    limited = api.headers(Scope.ADMIN, collections=["docs"])
    assert start(api, reader, "evaluate", "docs", eval_set="x").status_code == 403
    assert start(api, writer, "verify", "docs").status_code == 403
    assert start(api, limited, "verify").status_code == 403
    allowed = start(api, limited, "verify", "docs")
    assert allowed.status_code == 202
    api.ended(allowed.headers["location"], limited)
    over_all = start(api, admin, "verify").headers["location"]
    assert api.client.get(over_all, headers=limited).status_code == 404
    assert api.client.get(f"{over_all}/events", headers=limited).status_code == 404
    assert api.client.post(f"{over_all}/retry", headers=limited).status_code == 404
    api.ended(over_all, admin)
    assert api.client.post(f"{over_all}/retry", headers=writer).status_code == 403
    assert api.client.post(f"{over_all}/retry", headers=admin).status_code == 409  # it succeeded


@pytest.mark.parametrize("kind", ["retention", "train_reader"])
def test_a_limited_key_changes_nothing_that_all_collections_share(
    api: served.Served, admin: dict[str, str], kind: str
) -> None:
    """Not by a job, a schedule, or a schedule that a former version took with a collection."""
    limited = api.headers(Scope.ADMIN, collections=["docs"])
    given = {"audit_days": 1, "jobs_days": 1} if kind == "retention" else {"name": "mine"}
    body = {"kind": kind, "collection": "docs", "arguments": given}
    api.kb.catalog.schedules.create(NewSchedule("former", kind, "docs", given, 86_400, enabled=False))
    asked = (
        ("POST", "/v1/jobs", body),
        ("POST", "/v1/schedules", body | {"name": "mine", "every_seconds": 60}),
        ("PATCH", "/v1/schedules/former", {"enabled": True}),
        ("POST", "/v1/schedules/former/run", None),
    )
    try:
        for method, path, sent in asked:
            answer = api.client.request(method, path, json=sent, headers=limited)
            assert answer.status_code == 403 and "all collections share" in answer.text, (path, answer.text)
        if kind == "retention":
            job = api.ended(api.client.post("/v1/schedules/former/run", headers=admin).headers["location"], admin)
            assert job["state"] == "failed" and "name none" in job["error"]
    finally:
        api.kb.catalog.schedules.delete("former")


def test_an_evaluation_has_the_rights_of_who_asked(api: served.Served, admin: dict[str, str]) -> None:
    questions = [{"id": "1", "text": "salary of the chief drive engineer", "judgements": {"hr/salary": 1}}]
    made = {"collection": "docs", "name": "pay", "queries": questions}
    assert api.client.post("/v1/eval-sets", json=made, headers=admin).status_code == 201
    jobs = []
    for groups in ([], ["hr"]):
        headers = api.headers(Scope.WRITE, groups=groups)
        jobs.append(api.ended(start(api, headers, "evaluate", "docs", eval_set="pay").headers["location"], headers))
        assert jobs[-1]["arguments"] == {"eval_set": "pay", "plan": None}
    assert (jobs[0]["state"], jobs[1]["state"]) == ("failed", "succeeded")
    assert jobs[1]["result"]["metrics"]["recall@10"] == 1.0


def test_a_list_is_filtered_and_its_events_end(api: served.Served, admin: dict[str, str]) -> None:
    job = api.kb.catalog.jobs.create("evaluate", "docs", {"eval_set": "absent"})  # deleted since it was asked for
    failed = api.ended(f"/v1/jobs/{job.id}", admin)
    assert (failed["state"], failed["error_code"]) == ("failed", "not_found") and "absent" in failed["error"]
    params = {"state": "failed", "kind": "evaluate", "collection": "docs"}
    listed = api.client.get("/v1/jobs", params=params, headers=admin).json()["jobs"]
    assert failed["id"] in {job["id"] for job in listed} and {job["state"] for job in listed} == {"failed"}
    assert api.client.get("/v1/jobs", params={"state": "lost"}, headers=admin).status_code == 422
    events = api.client.get(f"/v1/jobs/{failed['id']}/events", headers=admin)
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.count("event: job\n") == 1 and failed["error"].split("'")[0] in events.text
    metrics = api.client.get("/metrics", headers=admin).text
    assert 'kb_jobs{kind="evaluate",state="failed"}' in metrics
    assert 'kb_jobs{kind="tune",state="failed"} 0.0' in metrics  # else its first failure were no change of anything
    assert 'kb_job_waiting_seconds{kind="evaluate"} 0.0' in metrics
    assert 'kb_job_seconds_count{kind="evaluate",outcome="failed"}' in metrics


def test_followers_take_no_places_and_leave_with_their_key(
    api: served.Served, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number has a bound of its own, and who has lost his key hears no more of a job that goes on."""
    monkeypatch.setattr("api.routes.jobs.RIGHTS_SECONDS", 0.0)
    monkeypatch.setattr("api.http.listeners.MAX_LISTENERS", 1)
    leave = threading.Event()

    def stand(kb: object, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        while not leave.wait(0.05):
            report(0, 1)
        return {}

    TASKS.register("stand", lambda: Task(stand, NoArguments, needs_collection=False), "for this test")
    record, key = api.kb.catalog.keys.create("follower", Scope.READ)
    reader = {"Authorization": f"Bearer {key}"}
    try:
        path = start(api, admin, "stand").headers["location"]
        with (
            served.on_port(api, in_flight=1) as base,
            httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
            client.stream("GET", f"{path}/events", headers=reader) as followed,
        ):
            lines = followed.iter_lines()
            assert next(lines) == "event: job"
            assert client.get("/v1/collections", headers=admin).status_code == 200
            assert client.get(f"{path}/events", headers=admin).status_code == 503
            api.kb.catalog.keys.revoke(record.id)
            assert not any('"succeeded"' in line for line in lines)  # and it ends
            assert client.get(path, headers=admin).json()["state"] in OPEN_STATES
    finally:
        leave.set()
        api.ended(path, admin)
        TASKS.unregister("stand")


def test_a_schedule_lives(api: served.Served, admin: dict[str, str]) -> None:
    first_at = (utc_now() + timedelta(days=1)).replace(microsecond=0)
    body = {"name": "nightly", "kind": "verify", "collection": "docs", "every_seconds": 86_400}
    made = api.client.post("/v1/schedules", json=body | {"first_at": first_at.isoformat()}, headers=admin)
    assert made.status_code == 201, made.text
    assert datetime.fromisoformat(made.json()["next_at"]) == first_at and made.json()["arguments"] == {"repair": False}
    assert api.client.post("/v1/schedules", json=body, headers=admin).status_code == 409
    assert (
        api.client.post("/v1/schedules", json=body | {"first_at": "2026-01-01T00:00"}, headers=admin).status_code == 422
    )
    path = "/v1/schedules/nightly"
    changed = api.client.patch(path, json={"enabled": False, "arguments": {"repair": True}}, headers=admin).json()
    assert (changed["enabled"], changed["arguments"], changed["every_seconds"]) == (False, {"repair": True}, 86_400)
    assert api.client.patch(path, json={"arguments": {"x": 1}}, headers=admin).status_code == 422
    asked = api.client.post(f"{path}/run", headers=admin)
    assert asked.status_code == 202 and asked.json()["schedule"] == "nightly"
    assert api.ended(asked.headers["location"], admin)["state"] == "succeeded"
    assert api.client.get(path, headers=admin).json()["last_job"] == asked.json()["id"]
    assert api.client.get(path, headers=api.headers(collections=["other"])).status_code == 404
    assert api.client.delete(path, headers=api.headers(Scope.WRITE)).status_code == 403
    assert api.client.delete(path, headers=admin).status_code == 204
    assert api.client.get(path, headers=admin).status_code == 404


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00", "2030-01-01T00:00:00"])
def test_a_time_that_could_not_be_read_again_is_refused(api: served.Served, admin: dict[str, str], moment: str) -> None:
    def kept() -> list[Any]:
        return [api.client.get(f"/v1/{what}", headers=admin).json()[what] for what in ("keys", "schedules")]

    before = kept()
    schedule = {"name": "odd", "kind": "verify", "every_seconds": 86_400, "first_at": moment}
    for method, path, body in [
        ("POST", "/v1/keys", {"scope": "read", "expires_at": moment}),
        ("POST", "/v1/schedules", schedule),
        ("PATCH", f"/v1/schedules/{DEFAULTS[0].name}", {"next_at": moment}),
    ]:
        refused = api.client.request(method, path, json=body, headers=admin)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
        assert "_at" in refused.text and ("its year is" in refused.text or "no time zone" in refused.text)
    assert kept() == before


def test_built_in_schedules_are_there_and_stay(api: served.Served, admin: dict[str, str]) -> None:
    listed = {one["name"]: one for one in api.client.get("/v1/schedules", headers=admin).json()["schedules"]}
    for default in DEFAULTS:
        assert listed[default.name]["enabled"] is default.enabled
        assert datetime.fromisoformat(listed[default.name]["next_at"]) > utc_now()
        assert api.client.delete(f"/v1/schedules/{default.name}", headers=admin).status_code == 409
    off = api.client.patch("/v1/schedules/verify-daily", json={"enabled": False}, headers=admin)
    assert off.json()["enabled"] is False
    limited = api.headers(Scope.ADMIN, collections=["docs"])
    assert api.client.get("/v1/schedules", headers=limited).json()["schedules"] == []


def test_a_schedule_that_is_due_is_run_by_the_server(api: served.Served, admin: dict[str, str]) -> None:
    body = {"name": "soon", "kind": "retention", "every_seconds": 3600, "first_at": utc_now().isoformat()}
    assert api.client.post("/v1/schedules", json=body, headers=admin).status_code == 201
    job_id = eventually(lambda: api.client.get("/v1/schedules/soon", headers=admin).json()["last_job"])
    assert api.ended(f"/v1/jobs/{job_id}", admin)["state"] == "succeeded"
    api.client.delete("/v1/schedules/soon", headers=admin)


def upload(api: served.Served, headers: dict[str, str], *names: str, **data: Any) -> Any:
    files = [("files", (name, f"{name} tells of turbines", "text/plain")) for name in names]
    path = "/v1/collections/docs/documents:upload?background=true"
    return api.client.post(path, files=files, data=data, headers=headers)


def test_an_upload_in_the_background_becomes_documents(api: served.Served, admin: dict[str, str]) -> None:
    headers = api.headers(Scope.WRITE)
    names = ("a.txt", "../../b.txt", "c.nothing", "x/a.txt")
    started = upload(api, headers, *names, prefix="kept/", acl=["hr"], metadata='{"n": 1}')
    assert started.status_code == 202, started.text
    job = api.ended(started.headers["location"], headers)
    assert job["state"] == "succeeded" and job["done"] == 4
    outcomes = [(one["file"], one.get("outcome", "error")) for one in job["result"]["files"]]
    assert outcomes == [("a.txt", "created"), ("b.txt", "created"), ("c.nothing", "skipped"), ("a.txt", "error")]
    stored = api.client.get("/v1/collections/docs/documents/kept/b.txt", headers=admin).json()
    assert stored["acl"] == ["hr"] and stored["metadata"]["n"] == 1 and "turbines" in stored["text"]
    kept = api.settings.data_dir / "uploads" / job["arguments"]["upload"]
    assert {path.suffix for path in kept.iterdir()} == {".json", ".outcome"}


def test_what_came_of_a_job_is_for_admins_and_for_who_asked(api: served.Served, admin: dict[str, str]) -> None:
    """Names and keys of documents that a caller may not read stand in no job, list or stream that he may look at."""
    owner = api.headers(Scope.WRITE)
    started = upload(api, owner, "severance-Bob.txt", "pay-Bob.pdf", prefix="hr/board/", acl=["board"])
    path = started.headers["location"]
    whole = api.ended(path, owner)
    assert [one["file"] for one in whole["result"]["files"]] == ["severance-Bob.txt", "pay-Bob.pdf"]
    asker = api.kb.catalog.jobs.get(whole["id"]).arguments[CALLER]
    job = api.kb.catalog.jobs.create("evaluate", "docs", {"eval_set": "lost", CALLER: asker})
    failed = api.ended(f"/v1/jobs/{job.id}", owner)
    assert "lost" in failed["error"]
    for other in (api.headers(), api.headers(Scope.WRITE, groups=["hr"])):
        shown = api.client.get(path, headers=other).json()
        assert (shown["state"], shown["done"], shown["total"]) == ("succeeded", 2, 2)
        assert (shown["result"], shown["error"], shown["arguments"]) == (None, "", {})
        asked = (path, f"{path}/events", "/v1/jobs?limit=200", "/v1/events?seconds=1", f"/v1/jobs/{failed['id']}")
        texts = [api.client.get(one, headers=other).text for one in asked]
        assert all(whole["id"] in text or failed["id"] in text for text in texts)
        assert not any("Bob" in text or whole["arguments"]["upload"] in text for text in texts)
        untold = api.client.get(f"/v1/jobs/{failed['id']}", headers=other).json()
        assert "told to" in untold["error"] and untold["error_code"] == "not_told"
    for allowed in (owner, admin):
        assert "severance-Bob" in api.client.get(f"{path}/events", headers=allowed).text
        assert "severance-Bob" in api.client.get("/v1/events?seconds=1", headers=allowed).text


def test_an_upload_goes_on_where_it_was_interrupted(api: served.Served, admin: dict[str, str]) -> None:
    contents = [(f"{n}.txt", b"text number %d" % n) for n in range(3)]
    kept = keep(api.settings, docs_of(api), contents, About("again/", {}, None))
    task, calls = TASKS.create("upload"), []

    def interrupted(done: int, total: int | None) -> None:
        calls.append(done)
        if done == 1:
            raise InterruptedJobError

    with pytest.raises(InterruptedJobError):
        task.run(api.kb, "docs", {"upload": kept}, interrupted)
    newer = {"text": "a person wrote this meanwhile"}
    api.client.put("/v1/collections/docs/documents/again/0.txt", json=newer, headers=admin).raise_for_status()
    twice = [task.run(api.kb, "docs", {"upload": kept}, lambda done, total: None) for _ in range(2)]
    assert twice[0] == twice[1] and [one["outcome"] for one in twice[0]["files"]] == ["created"] * 3
    stored = api.client.get("/v1/collections/docs/documents/again/0.txt", headers=admin).json()
    assert stored["text"] == newer["text"]


def test_an_upload_whose_files_are_gone_says_so(api: served.Served, admin: dict[str, str]) -> None:
    other = replace(docs_of(api), name="other")
    for wanted in (uuid.uuid4().hex, keep(api.settings, other, [("a.txt", b"x")], About("", {}, None))):
        job = api.ended(start(api, admin, "upload", "docs", upload=wanted).headers["location"], admin)
        assert job["state"] == "failed" and "upload them again" in job["error"]
    assert start(api, admin, "upload", "docs", upload="../secrets").status_code == 422


def test_an_upload_never_reaches_a_namesake(api: served.Served, admin: dict[str, str]) -> None:
    kb, about = api.kb, About("", {}, None)
    kb.create_collection("pay", CollectionSettings(default_acl=("hr",)))
    contents = [("a.txt", b"salaries"), ("b.txt", b"salaries")]
    queued, running = (keep(api.settings, kb.catalog.collections.get("pay"), contents, about) for _ in range(2))

    def made_anew(done: int, total: int | None) -> None:
        if done == 1:
            kb.drop_collection("pay")
            kb.create_collection("pay")

    with pytest.raises(NotFoundError, match="deleted while files were stored"):
        TASKS.create("upload").run(kb, "pay", {"upload": running}, made_anew)
    job = api.ended(start(api, admin, "upload", "pay", upload=queued).headers["location"], admin)
    assert job["state"] == "failed" and "'pay' that was deleted; upload its files again" in job["error"]
    assert kb.catalog.documents.counts(kb.catalog.collections.get("pay")) == (0, 0)
    kb.drop_collection("pay")
    unlimited = api.client.get(f"/v1/jobs/{job['id']}", headers=admin).json()
    assert unlimited["collection"] == "pay (deleted)" and unlimited["error"] == job["error"]
    limited = api.headers(Scope.ADMIN, collections=["pay"])
    assert api.client.get(f"/v1/jobs/{job['id']}", headers=limited).status_code == 404
    assert api.client.get("/v1/jobs", headers=limited).json()["jobs"] == []


def test_retention_forgets_what_is_old(api: served.Served, admin: dict[str, str]) -> None:
    kb, long_ago = api.kb, utc_now() - timedelta(days=100)
    kept = api.settings.data_dir / "uploads" / keep(api.settings, docs_of(api), [("a.txt", b"x")], About("", {}, None))
    os.utime(kept, (long_ago.timestamp(), long_ago.timestamp()))
    dead = kb.catalog.keys.create("dead", Scope.READ, expires_at=long_ago)[0]
    living = kb.catalog.keys.create("living", Scope.READ)[0]
    acts = len(kb.catalog.audit.page(1000))
    job = api.ended(start(api, admin, "retention").headers["location"], admin)
    assert job["result"]["deleted"] == {"jobs": 0, "uploads": 1, "keys": 1, "audit": 0, "eval_runs": 0}
    assert not kept.exists()
    ids = {key.id for key in kb.catalog.keys.all()}
    assert dead.id not in ids and living.id in ids
    assert len(kb.catalog.audit.page(1000)) >= acts


def test_a_job_whose_server_is_away_is_tried_again_and_then_fails(api: served.Served, admin: dict[str, str]) -> None:
    seen: list[int] = []

    def away(kb: object, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        seen.append(len(seen))
        raise OutageError(f"server x does not answer, look {len(seen)}")

    def taken_back() -> int:
        api.kb.catalog.jobs.take_back(lambda runner: not runner)  # a job that rests, as the clock does after 30 seconds
        return len(seen)

    TASKS.register("away", lambda: Task(away, NoArguments, needs_collection=False), "for this test")
    try:
        path = start(api, admin, "away").headers["location"]
        eventually(taken_back, lambda attempts: attempts == MAX_ATTEMPTS, what="the last attempt")
        job = api.ended(path, admin)
    finally:
        TASKS.unregister("away")
    assert (job["state"], job["attempts"], len(seen)) == ("failed", MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert job["error"] == f"server x does not answer, look {MAX_ATTEMPTS}" and job["error_code"] == "outage"

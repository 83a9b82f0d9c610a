"""The routes of generations: a job builds one in a process of its own, activate and rollback move the pointer."""

from __future__ import annotations

from pathlib import Path

import served

from retrieval.catalog.keys import Scope

PATIENCE_SECONDS = 300  # a process of the lowest priority on a busy machine


def test_a_generation_is_built_compared_and_switched(tmp_path: Path) -> None:
    with served.in_process(tmp_path) as opened:
        served.fill(opened)
        admin, client, path = opened.headers(Scope.ADMIN), opened.client, "/v1/collections/docs/generations"
        body = {"chunk_tokens": 160, "synonyms": [["drive", "motor"]]}
        assert client.post(path, json=body, headers=opened.headers()).status_code == 403
        answer = client.post(path, json=body, headers=admin)
        assert answer.status_code == 202, answer.text
        job = opened.ended(f"/v1/jobs/{answer.json()['id']}", admin, PATIENCE_SECONDS)
        assert job["state"] == "succeeded", job["error"]
        assert job["result"]["evidence"]["parity"]["in_step"]
        first, second = client.get(path, headers=admin).json()["generations"]
        assert (first["state"], second["state"], second["chunk_tokens"]) == ("standby", "serving", 160)
        query = {"collection": "docs", "query": "motor"}
        assert len(client.post("/v1/search", json=query, headers=admin).json()["hits"]) >= 2
        assert client.post(f"{path}/{second['id']}/retire", headers=admin).status_code == 409
        assert client.post(f"{path}:rollback", headers=admin).json()["id"] == first["id"]
        assert client.get(f"{path}/{second['id']}", headers=admin).json()["state"] == "standby"
        again = client.post(f"{path}/{second['id']}/activate", json={}, headers=admin)
        assert again.json()["state"] == "serving"
        assert client.post(f"{path}/{first['id']}/retire", headers=admin).json()["state"] == "retired"
        assert client.post(f"{path}:rollback", headers=admin).status_code == 409
        assert client.post(f"{path}/999/activate", json={}, headers=admin).status_code == 404


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    with served.in_process(tmp_path) as opened:
        served.fill(opened)
        admin, path = opened.headers(Scope.ADMIN), "/v1/collections/docs/generations"
        assert opened.client.post(path, json={"chunk_tokens": 10}, headers=admin).status_code == 422
        absent = opened.client.post(path, json={"eval_set": "none-such"}, headers=admin)
        assert absent.status_code == 404 and "none-such" in absent.json()["error"]["message"]


def test_a_limited_key_names_only_encoders_that_have_a_name(tmp_path: Path) -> None:
    """Of a folder of the server the job's error would tell whether it is there."""
    with served.in_process(tmp_path) as opened:
        served.fill(opened)
        limited, path = opened.headers(Scope.ADMIN, collections=["docs"]), "/v1/collections/docs/generations"
        for name in ("/etc", "artifacts/encoder-x/../../../etc", "some/model"):
            body = {"kind": "reindex", "collection": "docs", "arguments": {"encoder": name}}
            schedule = body | {"name": "mine", "every_seconds": 60}
            for asked, sent in (("/v1/jobs", body), ("/v1/schedules", schedule), (path, {"encoder": name})):
                answer = opened.client.post(asked, json=sent, headers=limited)
                assert answer.status_code == 403, (asked, answer.text)
                assert "limited to some collections" in answer.text
        kept = {"kind": "reindex", "collection": "docs", "name": "mine", "every_seconds": 60}
        assert opened.client.post("/v1/schedules", json=kept, headers=limited).status_code == 201
        change = {"arguments": {"encoder": "/etc"}}
        assert opened.client.patch("/v1/schedules/mine", json=change, headers=limited).status_code == 403
        assert opened.client.delete("/v1/schedules/mine", headers=limited).status_code == 204
        job = opened.client.post(path, json={"encoder": "hash", "activate": False}, headers=limited)
        ended = opened.ended(job.headers["location"], limited, PATIENCE_SECONDS)
        assert ended["state"] == "succeeded", ended["error"]

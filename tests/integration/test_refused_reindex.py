"""A reindex over REST that cannot succeed is refused when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import served

from retrieval.catalog.keys import Scope


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("reindex")) as opened:
        served.fill(opened)
        yield opened


@pytest.fixture(scope="module")
def admin(api: served.Served) -> dict[str, str]:
    return api.headers(Scope.ADMIN)


def start(api: served.Served, headers: dict[str, str], **arguments: Any) -> Any:
    body = {"kind": "reindex", "collection": "docs", "arguments": arguments}
    return api.client.post("/v1/jobs", json=body, headers=headers)


def test_a_reindex_that_must_fail_is_refused_at_once(api: served.Served, admin: dict[str, str]) -> None:
    for arguments, word in (
        ({"encoder": "/nowhere/model"}, "is no folder"),
        ({"encoder": "artifacts/encoder-gone"}, "is no folder"),
        ({"eval_set": "gone"}, "gone"),
        ({"chunk_tokens": 8}, "chunk_tokens"),
    ):
        refused = start(api, admin, **arguments)
        assert refused.status_code in (404, 422), refused.text
        assert word in refused.json()["error"]["message"]
    assert api.client.get("/v1/jobs?kind=reindex", headers=admin).json()["jobs"] == []


def test_a_reindex_by_what_is_no_model_ends_with_the_encoders_code(api: served.Served, admin: dict[str, str]) -> None:
    """The hub's rules refuse such a name before anything is asked of the hub."""
    started = start(api, admin, encoder="no model of that name")
    job = api.ended(f"/v1/jobs/{started.json()['id']}", admin)
    assert (job["state"], job["error_code"]) == ("failed", "unusable_encoder")
    assert "encoder 'no model of that name' is neither" in job["error"]


def test_a_key_that_may_name_no_folder_is_not_told_whether_it_is_there(
    api: served.Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    limited = api.headers(Scope.ADMIN, collections=["docs"])
    told = {
        str(start(api, limited, encoder=name).json()["error"]["code"])
        for name in (str(tmp_path_factory.mktemp("model")), "/nowhere/model")
    }
    assert told == {"forbidden"}

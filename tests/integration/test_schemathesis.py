"""Generated requests over the whole OpenAPI document: no 5xx, every failure in its one shape, nothing undescribed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import served
from hypothesis import HealthCheck, Phase, given, settings

from api.errors import DIFY_PATH, OPENAI_PATHS
from api.openapi import TAGS
from retrieval.catalog.keys import Scope

EXAMPLES = 25  # a route; 45 routes take about half a minute
TAG_NAMES = [tag["name"] for tag in TAGS]
COLLECTION = "docs"  # named in every other request, so that they reach past "does not exist"


@schemathesis.serializer("application/x-ndjson")
def _json_lines(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("generated")) as opened:
        served.fill(opened)
        yield opened


@pytest.fixture(scope="module")
def admin(api: served.Served) -> dict[str, str]:
    return api.headers(Scope.ADMIN)


@pytest.fixture(scope="module")
def operations(api: served.Served) -> list[Any]:
    described = schemathesis.openapi.from_asgi("/openapi.json", api.client.app)
    return [result.ok() for result in described.get_all_operations()]


def test_every_operation_stands_under_one_tag_and_says_what_it_does(operations: list[Any]) -> None:
    for operation in operations:
        raw = operation.definition.raw
        assert len(raw["tags"]) == 1 and raw["tags"][0] in TAG_NAMES, operation.label
        assert raw["description"] and raw["responses"], operation.label


# By tag, since the plugin that makes a test of each operation does not know this pytest's items.
@pytest.mark.parametrize("tag", TAG_NAMES)
def test_whatever_comes_the_answer_is_well_formed(
    tag: str, operations: list[Any], api: served.Served, admin: dict[str, str]
) -> None:
    for operation in operations:
        if operation.definition.raw["tags"] == [tag]:
            _try(operation, api, admin)


def _try(operation: Any, api: served.Served, admin: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def generated(case: Any) -> None:
        if operation.label == "DELETE /v1/collections/{collection}":
            api.client.post("/v1/collections", json={"name": "brief"}, headers=admin)
            case.path_parameters["collection"] = "brief"
        else:
            _aim(case)
        response = case.call(headers=admin)
        assert response.status_code < 500, f"{operation.label}: {case.as_curl_command()}: {response.text}"
        if response.status_code >= 400:
            _check_shape(case.formatted_path, response.json())

    generated()


def _aim(case: Any) -> None:
    """Let a request concern the collection that is there, unless what was generated says it has no mind to."""
    for place in (case.path_parameters, case.query, case.body):
        if not isinstance(place, dict):
            continue
        for name in ("collection", "model", "knowledge_id"):
            if isinstance(place.get(name), str) and len(place[name]) % 2 == 0:
                place[name] = COLLECTION


def _check_shape(path: str, body: dict[str, Any]) -> None:
    if path == DIFY_PATH:
        assert set(body) == {"error_code", "error_msg"}
    elif path.startswith(OPENAI_PATHS):
        assert set(body) == {"error"} and {"message", "type", "param", "code"} == set(body["error"])
    else:
        assert set(body) == {"error"}
        assert {"code", "message", "request_id"} <= set(body["error"]) <= {"code", "message", "request_id", "detail"}

"""The whole OpenAPI document, fuzzed: whatever is sent, no route answers 5xx, and answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from api_world import World, world
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp, Receive, Scope, Send

EXAMPLES = 4  # for each operation and mode: a minute for all
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@schemathesis.serializer("application/x-ndjson")
def _as_lines(_: Any, value: Any) -> bytes:
    return str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb"), request_timeout_seconds=1.0) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: str(mode.value))
def test_nothing_that_is_sent_breaks_a_route(served: World, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", _started(served.app))
    headers = {"Authorization": f"Bearer {served.keys['admin']}"}
    broken, tried = [], 0
    for found in schema.get_all_operations():
        operation = found.ok()
        tried += 1
        if operation.label == "GET /v1/events":  # goes on for minutes
            continue
        try:
            _fuzz(operation.as_strategy(generation_mode=mode), headers)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # a route without arguments cannot be called wrongly
        except Exception as error:  # what the checks raise; all routes are tried before the verdict
            broken.append(f"{operation.label}: {error} {[str(one) for one in getattr(error, 'exceptions', [])]}")
    assert not broken, "\n\n".join(broken)
    assert tried == sum(len(methods) for methods in served.app.openapi()["paths"].values())


def _started(app: ASGIApp) -> ASGIApp:
    """The application as it serves already: each client would start and stop it once more."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await app(scope, receive, send)
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    return serve


def _fuzz(strategy: Any, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def run(case: Any) -> None:
        _about_docs(case)
        response = case.call(headers=headers)
        streamed = "event-stream" in str(response.headers.get("content-type"))
        case.validate_response(response, checks=CHECKS[:2] if streamed else CHECKS)

    run()


def _about_docs(case: Any) -> None:
    """Random names hit only the 404; with the real one the routes are entered. It must outlive the test."""
    if case.method == "DELETE" and case.path.endswith("{collection}"):
        return
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            for name in ("collection", "model", "knowledge_id"):
                if isinstance(place.get(name), str):
                    place[name] = "docs"

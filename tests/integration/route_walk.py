"""Every route of the app, from its own description, with a request that fits it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api_world import SECRET_WORD, World

VALUES = {"collection": "docs", "key": "secret", "model": "docs", "key_id": "0123456789ab"}


def operations(served: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path template, operation) of every route."""
    for path, methods in served.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    """The template about the collection `docs` and its document `secret`."""
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value)
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


def example(served: World, operation: dict[str, Any]) -> dict[str, Any]:
    """Arguments for a request that fits: the description's own example, about the collection `docs`."""
    arguments: dict[str, Any] = {}
    if any(one["name"] == "collection" and one["in"] == "query" for one in operation.get("parameters", [])):
        arguments["params"] = {"collection": "docs"}
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        arguments["json"] = _about_docs(_example_of(served, content["application/json"]["schema"]))
    elif "multipart/form-data" in content:
        arguments["files"] = {"files": ("new.txt", b"something new")}
    elif content:
        arguments["content"] = b'{"id": "new", "text": "something new"}'
    return arguments


def _example_of(served: World, schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = served.app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = dict(schema.get("examples", [{}])[0])
    return found


def _about_docs(body: dict[str, Any]) -> dict[str, Any]:
    for name in ("collection", "model", "knowledge_id"):
        if name in body:
            body[name] = "docs"
    for name in ("query", "question", "input"):
        if name in body:
            body[name] = SECRET_WORD
    if "messages" in body:
        body["messages"] = [{"role": "user", "content": f"What does the {SECRET_WORD} earn?"}]
    return body

"""`/mcp`: the Model Context Protocol over streamable HTTP, stateless; its tools see what the caller may see.

Specification of 2025-06-18: one JSON-RPC message a POST, answered as JSON; GET and DELETE, which open and end sessions,
are 405, since there are none. Requests of browsers from elsewhere are refused, against DNS rebinding.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access.request_state import session_of
from api.dependencies import Kb, ReadCaller, State, Threads
from api.errors import ApiError, forbidden
from api.http.errors import as_api_error
from api.http.responses import JsonResponse, to_json
from api.routes.failures import GUARDED
from api.routes.mcp_tools import TOOLS, ToolCall, call_tool
from api.wire.mcp import RpcMessage
from ingest.errors import IngestError
from retrieval.errors import RetrievalError

PROTOCOL_VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")  # newest first
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602  # JSON-RPC 2.0, section 5.1
_INSTRUCTIONS = (
    "Searches and answers from the documents that your key may read. Use search for passages, fetch for a whole "
    "document, ask for an answer with citations."
)

router = APIRouter(tags=["mcp"], responses=GUARDED)


@router.post("/mcp", responses={202: {"description": "A notification was taken."}}, summary="Model Context Protocol")
async def mcp(
    message: RpcMessage, request: Request, kb: Kb, caller: ReadCaller, state: State, threads: Threads
) -> Response:
    """One JSON-RPC message: initialize, ping, tools/list or tools/call."""
    _check_origin(request)
    if message.id is None:
        return Response(status_code=202)
    match message.method:
        case "initialize":
            result = _initialised(message.params)
        case "ping":
            result = {}
        case "tools/list":
            result = {"tools": TOOLS}
        case "tools/call":
            return await _called(message, ToolCall(kb, caller, state, session_of(request)), threads)
        case _:
            return _error(message.id, METHOD_NOT_FOUND, f"method {message.method!r} is not offered here")
    return JsonResponse({"jsonrpc": "2.0", "id": message.id, "result": result})


async def _called(message: RpcMessage, call: ToolCall, threads: Threads) -> Response:
    """A tool's result; what fails inside a tool is told to the model, which may try again, as a result that says so."""
    name, arguments = message.params.get("name"), message.params.get("arguments", {})
    if name not in [tool["name"] for tool in TOOLS]:  # a list: what is sent as the name may have no hash
        return _error(message.id, INVALID_PARAMS, f"tool {name!r} is not offered; see tools/list")
    if not isinstance(arguments, dict):
        return _error(message.id, INVALID_PARAMS, "arguments is no object")
    try:
        found = await threads.answer(lambda: call_tool(call, str(name), arguments))
        result: dict[str, Any] = {"content": [_text(found)], "structuredContent": found, "isError": False}
    except (ApiError, RetrievalError, IngestError) as error:
        failure = as_api_error(error)
        result = {"content": [{"type": "text", "text": failure.message}], "isError": True}
    return JsonResponse({"jsonrpc": "2.0", "id": message.id, "result": result})


def _initialised(params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    version = asked if asked in PROTOCOL_VERSIONS else PROTOCOL_VERSIONS[0]
    server = {"name": "autoglm-kb", "version": "1"}
    return {
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": server,
        "instructions": _INSTRUCTIONS,
    }


def _check_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise forbidden(f"requests of web pages from {origin!r} are not served; there is no cross-origin access")


def _text(value: dict[str, Any]) -> dict[str, str]:
    return {"type": "text", "text": to_json(value).decode()}


def _error(message_id: int | str | None, code: int, text: str) -> Response:
    return JsonResponse({"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": text}})

"""A small OpenAI-compatible chat server, a process of its own, that answers well or misbehaves as its model name says.

    with chat_server.running("Five days [1].") as url:

As a script it prints its port, and serves until its standard input closes.
`model` is the behaviour; the reply itself travels in REPLY, so that a test says what the model writes. Each request's
body and authorization are kept and served at GET /requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPLY = os.environ.get("REPLY", "")
PATIENCE_SECONDS = 60.0
PIECE = 7  # characters of a chunk: marks and words are cut anywhere
requests: list[dict[str, Any]] = []


@contextlib.contextmanager
def running(reply: str) -> Iterator[str]:
    """The base URL of a server whose models write this."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"REPLY": reply},
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.communicate(timeout=PATIENCE_SECONDS)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(200, "application/json", json.dumps(requests).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        requests.append({"path": self.path, "authorization": self.headers.get("Authorization"), "body": body})
        BEHAVIOURS[body["model"]](self)

    def log_message(self, *_: object) -> None:
        pass

    def good(self, pause: float = 0.0, cut_after: int | None = None) -> None:
        self._begin()
        chunks = [REPLY[at : at + PIECE] for at in range(0, len(REPLY), PIECE)]
        self._line(": keep-alive")
        for chunk in chunks[:cut_after]:
            time.sleep(pause)
            self._event({"choices": [{"index": 0, "delta": {"content": chunk}, "finish_reason": None}]})
        if cut_after is not None:
            self.close_connection = True
            self.connection.close()
            return
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": {"total_tokens": 1}})
        self._line("data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def thinking(self) -> None:
        """Its thoughts come one by one, parsed by the server, and take longer than a first token may."""
        self._begin()
        for name in ("reasoning_content", "reasoning") * 8:
            time.sleep(0.1)
            self._event({"choices": [{"index": 0, "delta": {name: "Hm."}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {"content": REPLY}, "finish_reason": "stop"}]})
        self._line("data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def silent(self) -> None:
        self._begin()
        for _ in range(100):  # alive, but without a token
            time.sleep(0.05)
            self._line(": keep-alive")

    def garbage(self) -> None:
        self._begin()
        self._line("data: {not json")

    def foreign(self) -> None:
        self._begin()
        self._event({"choices": ["what"]})

    def error_in_stream(self) -> None:
        self._begin()
        self._event({"error": {"message": "out of memory"}})

    def empty(self) -> None:
        self._begin()
        self._line("data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def broken(self) -> None:
        self._reply(500, "application/json", b'{"error": {"message": "the model crashed"}}')

    def html(self) -> None:
        self._reply(502, "text/html", b"<html>Bad gateway</html>")

    def whole(self) -> None:
        message = {"choices": [{"message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}]}
        self._reply(200, "application/json", json.dumps(message).encode())

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _event(self, message: dict[str, Any]) -> None:
        self._line("data: " + json.dumps(message, ensure_ascii=False))

    def _line(self, line: str) -> None:
        data = f"{line}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


BEHAVIOURS: dict[str, Callable[[Handler], None]] = {
    "good": Handler.good,
    "slow": lambda handler: handler.good(pause=0.05),
    "dripping": lambda handler: handler.good(pause=0.3),
    "cut": lambda handler: handler.good(cut_after=3),
    "cut-late": lambda handler: handler.good(cut_after=14),
    "thinking": Handler.thinking,
    "silent": Handler.silent,
    "garbage": Handler.garbage,
    "foreign": Handler.foreign,
    "error-in-stream": Handler.error_in_stream,
    "empty": Handler.empty,
    "broken": Handler.broken,
    "html": Handler.html,
    "whole": Handler.whole,
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some tests are about."""


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()

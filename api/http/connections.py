"""Bounds on connections, which need no key: how many, how long and how large a request's headers, how slow a reader.

Uvicorn's protocol over httptools, with what it leaves open. A request whose headers come in one piece pays next to
nothing for it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import struct
import termios
from asyncio import TimerHandle
from collections.abc import Iterator
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

logger = logging.getLogger(__name__)

INT = struct.Struct("i")

MAX_CONNECTIONS = 512  # 128 of them work at once, and a process may mostly open 1,024 files
MAX_HEADER_BYTES = 65_536  # of one request; a line that grows is copied with each part that comes
HEADER_SECONDS = 15.0  # until a request's headers are whole
READER_SECONDS = 30.0  # in which a client must take something of what waits for it


class Connection(HttpToolsProtocol):
    """One client's connection: 431 for endless headers, closed where nothing comes or nothing is read.

    Where there are too many, the one that is idle for longest makes room; 503 where all work. Upgrades to other
    protocols are not taken up: RFC 9110, section 7.8, lets a server answer in HTTP/1.1 as if none had been asked for.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._idle_since = self.loop.time()
        self._in_headers = True  # also in what may follow a body
        self._is_begun = False  # a request, whose headers are not whole
        self._header_bytes = 0
        self._has_body = False  # in what was fed last
        self._header_timer: TimerHandle | None = None
        self._reader_timer: TimerHandle | None = None
        self._is_upgrade = False
        self._working: RequestResponseCycle | None = None  # `cycle` is the newest, which may wait for its turn

    @property
    def _is_idle(self) -> bool:
        return self._working is None or self._working.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, where there is room."""
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self._headers_late)
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget_header_timer()
        self._forget_reader_timer()
        self._tell_gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see what it makes of it."""
        self._unset_keepalive_if_required()
        were_headers, self._has_body = self._in_headers, False
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        if self.transport.is_closing():
            return
        if were_headers and self._in_headers and not self._has_body:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                return self._refuse(431, f"the headers are larger than {MAX_HEADER_BYTES} bytes; send less")
        if self._header_timer is None and self._is_idle:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._headers_late)

    def on_message_begin(self) -> None:
        """Headers follow."""
        self._in_headers, self._is_begun, self._header_bytes, self._is_upgrade = True, True, 0, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The body follows, unless another protocol is asked for: then the same headers come once more without that."""
        self._in_headers = self._is_begun = False
        self._forget_header_timer()
        self._is_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._is_upgrade:
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Part of a body follows, or, after the last one, trailers: as headers, they may grow."""
        self._in_headers, self._header_bytes, self._has_body = True, 0, True

    def on_body(self, body: bytes) -> None:
        """Part of the body came."""
        self._in_headers = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole body came."""
        self._in_headers = False
        if not self._is_upgrade:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Idle from now on."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has read most of it."""
        self._forget_reader_timer()
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._working = cycle
        super()._start_asgi_task(cycle, app)

    def _feed(self, data: bytes) -> None:
        """Raises `HttpParserUpgrade`, with the place where the body begins."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _go_on_without_upgrade(self, body: bytes) -> None:
        """The parser takes what follows for the other protocol: another one reads the request as if none were asked."""
        first = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        head = b"".join([first, *self._plain_headers(), b"\r\n"])
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the first one has it
        try:
            self._feed(head + body)
        except httptools.HttpParserUpgrade:  # a second request in the same piece: nobody waits for an answer to that
            self.send_400_response("Upgrades cannot be pipelined.")

    def _plain_headers(self) -> Iterator[bytes]:
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(one for one in value.split(b",") if one.strip().lower() != b"upgrade")
            if name != b"upgrade":
                yield b"%s: %s\r\n" % (name, value)

    def _make_room(self) -> None:
        idle = [one for one in self.connections if isinstance(one, Connection) and one is not self and one._is_idle]
        if idle:
            min(idle, key=lambda one: (one._waiting() > 0, one._idle_since))._abort()  # first who waits for nothing
        else:
            self._refuse(503, f"{MAX_CONNECTIONS} connections are at work; try again")

    def _headers_late(self) -> None:
        self._header_timer = None
        if self._is_begun or self._header_bytes:
            self._refuse(408, f"the headers were not whole within {HEADER_SECONDS:g} s")
        else:
            self.transport.close()

    def _watch_reader(self) -> None:
        self._forget_reader_timer()
        self._reader_timer = self.loop.call_later(READER_SECONDS, self._see_reader, self._waiting())

    def _waiting(self) -> int:
        """Bytes that the client has not taken yet: ours, and what the system holds for it."""
        ours = self.transport.get_write_buffer_size()
        try:
            told = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(INT.size))
        except OSError:  # it is closed already
            return ours
        return ours + int(INT.unpack(told)[0])

    def _see_reader(self, before: int) -> None:
        if self._waiting() >= before:
            logger.info("a client was cut off: it did not read its answer, of which %d bytes wait", before)
            self._abort()
        else:
            self._watch_reader()

    def _abort(self) -> None:
        self._tell_gone()
        self.transport.abort()

    def _tell_gone(self) -> None:
        """What is at work must not write any more; what waits for its turn need not begin."""
        self.pipeline.clear()
        if self._working is not None and not self._working.response_complete:
            self._working.disconnected = True
            self._working.message_event.set()

    def _refuse(self, status: int, message: str) -> None:
        """Answer, unless another answer is under way, and close."""
        if self._is_idle:
            told = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(message)
            self.transport.write(STATUS_LINE[status] + told + message.encode())
        self.transport.close()

    def _forget_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _forget_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

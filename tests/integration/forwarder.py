"""A database behind a forwarder that can be cut, or that keeps an answer back while everything else goes through."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Gate:
    """Keeps back what a connection is answered once it has sent `question`, until `let_go`."""

    question: bytes = b""  # nothing is kept back while this is empty
    asked: threading.Event = field(default_factory=threading.Event)
    _kept: set[socket.socket] = field(default_factory=set)

    def hold(self, question: bytes) -> None:
        """From the next such question on."""
        self.asked.clear()
        self.question = question

    def let_go(self) -> None:
        """Everything goes through."""
        self.question = b""
        self._kept.clear()

    def asks(self, data: bytes, who_answers: socket.socket) -> None:
        """What a client sends."""
        if self.question and self.question in data:
            self._kept.add(who_answers)
            self.asked.set()

    def keeps(self, who: socket.socket) -> bool:
        """Whether what comes from there waits."""
        return who in self._kept


@contextlib.contextmanager
def breakable(url: str, gate: Gate | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
    """The same database behind a forwarder, and what cuts it for good."""
    parts, cut = urlsplit(url), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    place = (str(parts.hostname), parts.port or 0)
    thread = threading.Thread(target=_forward, args=(listening, place, cut, gate or Gate()), daemon=True)
    thread.start()

    def break_it() -> None:
        cut.set()
        thread.join()
        listening.close()

    try:
        who = parts.netloc.rpartition("@")[0]
        yield parts._replace(netloc=f"{who}@127.0.0.1:{listening.getsockname()[1]}").geturl(), break_it
    finally:
        break_it()


def _forward(listening: socket.socket, place: tuple[str, int], cut: threading.Event, gate: Gate) -> None:
    """Copies bytes between pairs of sockets until it is cut."""
    peers: dict[socket.socket, socket.socket] = {}
    clients: set[socket.socket] = set()
    while not cut.is_set():
        heard = [listening, *(one for one in peers if not gate.keeps(one))]
        ready, _, _ = select.select(heard, [], [], 0.1)
        for one in ready:
            if one is listening:
                client, server = listening.accept()[0], socket.create_connection(place)
                peers |= {client: server, server: client}
                clients.add(client)
                continue
            try:
                data = one.recv(65536)
                if one in clients:
                    gate.asks(data, peers[one])
                peers[one].sendall(data)
            except (OSError, KeyError):
                data = b""
            if not data and one in peers:
                for end in (one, peers.pop(one)):
                    peers.pop(end, None)
                    end.close()
    for one in peers:
        one.close()

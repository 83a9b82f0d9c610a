"""Kafka's brokers are knocked at before the library is asked, by whoever needs them."""

from __future__ import annotations

import socket

import pytest

from ingest.brokers import require_broker
from ingest.connect.topics import Topics
from ingest.errors import SourceOutageError


def test_one_of_several_servers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        require_broker(f"127.0.0.1:none, 127.0.0.1:{listening.getsockname()[1]}", 1.0)


def test_every_refusal_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # ours, so that nobody listens there
        refused = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceOutageError, match=rf"{refused}: .+; localhost: .+kafka_bootstrap_servers"):
            require_broker(f"{refused}, localhost", 1.0)


def test_topics_tell_of_a_port_that_is_no_number() -> None:
    pytest.importorskip("kafka")
    with pytest.raises(SourceOutageError, match="localhost:port: "):
        Topics("localhost:port").reach(["kb"])

"""Whether a Kafka broker is there at all, asked before the library is."""

from __future__ import annotations

import socket

from ingest.errors import BrokerAwayError


def require_broker(servers: str, seconds: float) -> None:
    """Raises `BrokerAwayError` where none of the servers (`host:port`, with commas) takes a connection.

    The library would log its retries, go on with them in a thread, and leave a socket open. `seconds` is for each
    server.
    """
    refusals = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
        except (OSError, ValueError) as error:  # ValueError: a port that is no number
            refusals.append(f"{server.strip()}: {error}")
        else:
            return
    raise BrokerAwayError(
        f"Kafka cannot be reached ({'; '.join(refusals)}); check that it runs and that setting "
        "kafka_bootstrap_servers (KB_KAFKA_BOOTSTRAP_SERVERS), host:port with commas, is right"
    )

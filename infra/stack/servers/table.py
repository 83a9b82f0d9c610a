"""The servers of the stack by name, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterable

from infra.stack.errors import StackError
from infra.stack.servers.base import Server
from infra.stack.servers.connect import Connect
from infra.stack.servers.elasticsearch import Elasticsearch
from infra.stack.servers.kafka import Kafka
from infra.stack.servers.mariadb import MariaDb
from infra.stack.servers.postgres import Postgres
from infra.stack.servers.redis import Redis

_TABLE: tuple[Server, ...] = (Postgres(), MariaDb(), Kafka(), Connect(), Elasticsearch(), Redis())
SERVERS: dict[str, Server] = {server.name: server for server in _TABLE}


def with_needs(names: Iterable[str]) -> list[Server]:
    """The named servers and those they need, each after its needs. Raises `StackError` on an unknown name."""
    chosen: dict[str, Server] = {}
    for name in names:
        if name not in SERVERS:
            raise StackError(f"there is no server {name!r}; the stack has {', '.join(SERVERS)}")
        for server in with_needs(SERVERS[name].needs):
            chosen[server.name] = server
        chosen[name] = SERVERS[name]
    return list(chosen.values())

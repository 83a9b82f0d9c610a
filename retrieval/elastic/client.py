"""One connection pool to Elasticsearch, and what its refusals mean: an outage, a lost index, or a mistake.

Nothing is repeated in here: who follows the operation log backs off and tries again, and a search answers without us.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retrieval.errors import OutageError, RetrievalError, ViewError, ViewLostError

if TYPE_CHECKING:
    from elasticsearch import ApiError, Elasticsearch

OLDEST_VERSION = (8, 16)  # the oldest the tests run on
WRITE_TIMEOUT_SECONDS = 30.0  # a bulk of a few megabytes with its refresh
SEARCH_TIMEOUT_SECONDS = 3.0  # then the search goes on without this leg
CONNECTIONS = 16  # to each node; as many searches run at once without waiting for each other
FULL_DISK_PERCENT = 90.0  # cluster.routing.allocation.disk.watermark.high: below it there is space again


class FullServerError(OutageError):
    """The server takes no writes because its disk is full."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where the server is and how to log in. `url` may name several nodes, with commas, and a user with password."""

    url: str
    api_key: str = ""
    ca_file: str = ""
    replicas: int = 0
    catalog: str = ""  # a mark of the catalog whose views are kept there; "": of none


class ElasticServer:
    """A cluster, connected to and examined at first use. Thread-safe.

    Every call raises `OutageError` while the server cannot be used, `ViewLostError` where an index is gone, and
    `ViewError` when it refuses what we sent. The constructor raises `ImportError` where the client is not installed.
    """

    def __init__(self, options: ServerOptions) -> None:
        _require_client()
        self.options = options
        self._examining = threading.Lock()
        self._is_known = False

    @contextmanager
    def writing(self) -> Iterator[Elasticsearch]:
        """A client for requests that may take long."""
        with self._translated():
            self._examine()
            yield self._client

    @contextmanager
    def searching(self) -> Iterator[Elasticsearch]:
        """A client that gives up early, for somebody waits."""
        with self._translated():
            self._examine()
            yield self._searcher

    def close(self) -> None:
        """Release the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def clear_full_disk_block(self, index: str) -> bool:
        """Take the read-only block of a full disk from an index, if there is space again; whether it was taken.

        Servers lift it by themselves too, but not where their disk threshold is switched off.
        """
        with self.writing() as client:
            nodes = client.nodes.stats(metric="fs")["nodes"].values()
            if any(_used_percent(node["fs"]["total"]) > FULL_DISK_PERCENT for node in nodes if "fs" in node):
                return False
            client.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": None})
            return True

    @cached_property
    def _client(self) -> Elasticsearch:
        from elasticsearch import Elasticsearch
        from elasticsearch.serializer import OrjsonSerializer

        logging.getLogger("elastic_transport.node_pool").setLevel(logging.ERROR)  # it tells every attempt; we, once
        options: dict[str, Any] = {"ca_certs": self.options.ca_file} if self.options.ca_file else {}
        if self.options.api_key:
            options["api_key"] = self.options.api_key
        return Elasticsearch(
            [url.strip() for url in self.options.url.split(",")],
            request_timeout=WRITE_TIMEOUT_SECONDS,
            connections_per_node=CONNECTIONS,
            max_retries=0,
            retry_on_timeout=False,
            dead_node_backoff_factor=0.1,
            serializer=OrjsonSerializer(),
            **options,
        )

    @cached_property
    def _searcher(self) -> Elasticsearch:
        return self._client.options(request_timeout=SEARCH_TIMEOUT_SECONDS)

    def _examine(self) -> None:
        """Learn once that the server is one we know. Raises `ViewError` when it is too old."""
        if self._is_known:
            return
        with self._examining:
            number = str(self._searcher.info()["version"]["number"])
            if tuple(int(part) for part in number.split(".")[:2]) < OLDEST_VERSION:
                oldest = ".".join(map(str, OLDEST_VERSION))
                raise ViewError(f"Elasticsearch is {number}, expected {oldest} or newer; upgrade the server")
            self._is_known = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from elastic_transport import TransportError
        from elasticsearch import ApiError

        try:
            yield
        except ApiError as error:
            raise api_failure(error) from error
        except TransportError as error:
            raise OutageError(
                f"Elasticsearch does not answer ({error}); check that it runs, KB_ELASTICSEARCH_URL and, for https, "
                "KB_ELASTICSEARCH_CA_FILE"
            ) from error


def _require_client() -> None:
    try:
        import elasticsearch  # noqa: F401 - here to be missed early, used where requests are made
    except ImportError as error:
        raise RetrievalError("views on Elasticsearch need its client: pip install 'autoglm-kb[cluster]'") from error


def api_failure(error: ApiError) -> RetrievalError:
    """What an answer with an error status means."""
    reason = _reason(error.body) or str(error)
    return failure(error.meta.status, error.message, reason)


def failure(status: int, kind: str, reason: str) -> RetrievalError:
    """What a refusal means, of a request or of one line of a bulk. `kind` is the server's word for it."""
    if "cluster_block" in kind or "read-only-allow-delete" in reason:
        return FullServerError(
            f"Elasticsearch takes no writes: {reason}; free space on its disk (the block is lifted then), or lift "
            "index.blocks.* if somebody set it"
        )
    if "index_not_found" in kind or "require_alias" in reason:
        return ViewLostError(f"Elasticsearch has lost an index ({reason}); it is built again from the catalog")
    if status in (401, 403):
        return OutageError(
            f"Elasticsearch refuses us ({status} {reason}); check the user in KB_ELASTICSEARCH_URL or "
            "KB_ELASTICSEARCH_API_KEY: it may read, write and manage the indexes of the views"
        )
    if status == 429 or status >= 500:
        return OutageError(f"Elasticsearch is not able to answer now ({status} {reason}); it is asked again")
    return ViewError(f"Elasticsearch refused a request ({status} {kind}: {reason}); is another product at that URL?")


def _reason(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return str(error or "")
    return str(error.get("reason") or error.get("type") or "")


def _used_percent(total: dict[str, int]) -> float:
    return 100.0 * (1 - total["available_in_bytes"] / max(1, total["total_in_bytes"]))

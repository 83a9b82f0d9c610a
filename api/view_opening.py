"""Opens the views of a collection as the settings choose them: in a folder of this machine, or on Elasticsearch."""

from __future__ import annotations

import hashlib
import logging
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from retrieval.analyzer import Analyzer
from retrieval.attributes import AttributeView
from retrieval.catalog import Catalog, Collection
from retrieval.contracts import VectorView, WordView
from retrieval.dense import DenseView
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView, ServerOptions
from retrieval.elastic.index import drop_indexes
from retrieval.errors import RetrievalError, ViewError, ViewLockedError
from retrieval.graph.view import GraphView
from retrieval.sparse import SparseView
from retrieval.views import Views

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedViews:
    """The views; `durable` tells whether this process maintains the folder's; `server` is to be closed after them."""

    views: Views
    durable: bool
    server: ElasticServer | None


def open_views(folder: Path, collection: Collection, settings: Settings, analyzer: Analyzer, dim: int) -> OpenedViews:
    """The views of the folder, or a private copy of what another process maintains there; what fits not is built anew.

    Nothing is asked of a server yet: one that does not answer leaves its leg degraded, not the collection closed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = open_server(settings) if settings.uses_elasticsearch else None
    name = shared_name(settings, collection, collection.generation)

    def opened(*, read_only: bool) -> Views:
        return _views(folder, name, settings, server, analyzer, dim, read_only=read_only)

    try:
        return OpenedViews(opened(read_only=False), True, server)
    except ViewLockedError:
        logger.info("another process maintains %s; this one follows the log in a private copy", folder)
        return OpenedViews(opened(read_only=True), False, server)
    except ViewError as error:
        logger.warning("%s; it is built again from the catalog, which takes a moment", error)
        shutil.rmtree(folder)
        folder.mkdir()
        return OpenedViews(opened(read_only=False), True, server)


def open_graph(
    folder: Path, catalog: Catalog, collection: Collection, analyzer: Analyzer, *, durable: bool
) -> GraphView:
    """The graph view of the folder, or a private copy of what another process maintains; what fits not is built anew.

    It is kept in each process that searches by it, whichever views are on Elasticsearch.
    """

    def opened(folder: Path | None, *, read_only: bool) -> GraphView:
        return GraphView(
            folder, analyzer, read_only=read_only, references=lambda chunks: catalog.references.of(collection, chunks)
        )

    try:
        return opened(folder, read_only=not durable)
    except ViewLockedError:
        return opened(folder, read_only=True)
    except ViewError as error:
        logger.warning("%s; it is built again from the catalog, which takes a moment", error)
        if not durable:
            return opened(None, read_only=False)
        shutil.rmtree(folder)
        return opened(folder, read_only=False)


def open_server(settings: Settings) -> ElasticServer:
    """The settings' Elasticsearch; not connected to yet."""
    return ElasticServer(
        ServerOptions(
            settings.elasticsearch_url,
            settings.elasticsearch_api_key.get_secret_value(),
            settings.elasticsearch_ca_file,
            settings.elasticsearch_replicas,
        )
    )


def shared_name(settings: Settings, collection: Collection, generation: int | None = None) -> str:
    """What the names of the indexes of a collection, or of one generation, begin with; unique among catalogs."""
    identity = hashlib.sha256(f"{collection.name} {collection.created_at.isoformat()}".encode()).hexdigest()[:8]
    mine = f"{settings.elasticsearch_prefix}-{collection.id}-{identity}"
    return mine if generation is None else f"{mine}-g{generation}"


def drop_shared_views(settings: Settings, collection: Collection, generation: int | None = None) -> None:
    """Delete what a collection, or one generation of it, has on Elasticsearch.

    Where the server does not answer, that is left and logged.
    """
    if not settings.uses_elasticsearch:
        return
    name = shared_name(settings, collection, generation)
    server = open_server(settings)
    try:
        drop_indexes(server, name)
    except RetrievalError as error:
        logger.warning("indexes %s-* are left behind: %s", name, error)
    finally:
        server.close()


def _views(
    folder: Path,
    name: str,
    settings: Settings,
    server: ElasticServer | None,
    analyzer: Analyzer,
    dim: int,
    *,
    read_only: bool,
) -> Views:
    made_by = folder.name
    with ExitStack() as stack:  # what was opened is closed again when a later one cannot be
        attributes = AttributeView(folder / "attributes", read_only=read_only)
        stack.callback(attributes.close)
        sparse: WordView = (
            ElasticSparseView(server, name, analyzer, made_by)
            if server is not None and settings.sparse_is_shared
            else SparseView(folder / "sparse", analyzer, read_only=read_only)
        )
        stack.callback(sparse.close)
        dense: VectorView = (
            ElasticDenseView(server, name, dim, made_by, quantised=settings.elasticsearch_vectors == "int8")
            if server is not None and settings.dense_view == "elasticsearch"
            else DenseView(folder / "dense", dim, read_only=read_only)
        )
        stack.pop_all()
        return Views(sparse, dense, attributes)

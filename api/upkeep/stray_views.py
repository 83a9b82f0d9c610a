"""Deletes views that nothing names any more: of a dropped collection, a retired generation, a former dictionary.

A process that still has one open keeps it until the next time.
"""

from __future__ import annotations

import logging

from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import VIEWS, drop_unless_open, view_folder
from api.serving.view_opening import open_server, shared_indexes, shared_name
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Collection
from retrieval.catalog.generations import GenerationState
from retrieval.elastic.index import delete_index, kept_indexes
from retrieval.errors import NotFoundError, RetrievalError

logger = logging.getLogger(__name__)


def drop_stray_views(kb: KnowledgeBase) -> None:
    """Delete folders here and indexes on Elasticsearch; where that does not answer, its indexes stay and it is logged.

    What is there is listed before the catalog is read: a new view's collection and generation are older than the view.
    """
    _drop_folders(kb)
    if kb.settings.uses_elasticsearch:
        try:
            _drop_indexes(kb)
        except RetrievalError as error:
            logger.warning("indexes that nothing names are left until the next compaction: %s", error)


def _drop_folders(kb: KnowledgeBase) -> None:
    found = [path for path in (kb.settings.data_dir / VIEWS).glob("*-*") if path.is_dir()]
    folders = [(path, list(path.iterdir())) for path in found if path.name.partition("-")[0].isdecimal()]
    records = _kept(kb)
    known = {record.id for record in records}
    wanted = {view_folder(kb.settings.data_dir, record, _analyzer(record)) for record in records}
    for path, generations in folders:
        is_known = int(path.name.partition("-")[0]) in known
        for folder in generations:
            if folder not in wanted and (not is_known or folder.name.startswith("g")):
                drop_unless_open(folder)
        if not is_known and not any(path.iterdir()):
            path.rmdir()


def _drop_indexes(kb: KnowledgeBase) -> None:
    server = open_server(kb.settings)
    try:
        found = kept_indexes(server, kb.settings.elasticsearch_prefix)
        records = _kept(kb)
        wanted = {name for record in records for name in _indexes(kb, record)}
        ours = tuple({f"{shared_name(kb.settings, record)}-" for record in records})
        for alias, catalog in found.items():
            is_ours = catalog == server.options.catalog or alias.startswith(ours)
            if is_ours and alias not in wanted and kb.catalog.leases.holder(f"view {alias}") is None:
                delete_index(server, alias)
                logger.info("index %s is deleted: nothing names it any more", alias)
    finally:
        server.close()


def _kept(kb: KnowledgeBase) -> list[Collection]:
    """Every collection as each of its generations sees it that is not retired."""
    found = []
    for collection in kb.catalog.collections.all():
        for one in kb.catalog.generations.all(collection):
            if one.state is not GenerationState.RETIRED:
                try:
                    found.append(kb.catalog.collections.seen_by(collection.id, one.id))
                except NotFoundError:  # dropped at this moment
                    continue
    return found


def _indexes(kb: KnowledgeBase, record: Collection) -> set[str]:
    analyzer = _analyzer(record)
    folder = view_folder(kb.settings.data_dir, record, analyzer)
    return shared_indexes(kb.settings, record, folder.name, analyzer)


def _analyzer(record: Collection) -> Analyzer:
    return Analyzer(record.settings.dictionary, record.settings.synonyms)

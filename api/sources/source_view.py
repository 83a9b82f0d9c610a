"""A source as REST and the command line show it."""

from __future__ import annotations

from typing import Any

from infra.hiding import HIDDEN
from ingest.connect.address import DatabaseAddress
from retrieval.catalog.sources import SourceRecord


def source_view(record: SourceRecord, collection: str) -> dict[str, Any]:
    """A source as it is shown: without any password. What only databases have is null where it is none."""
    config = record.config
    url = None
    if "url" in config:
        url = DatabaseAddress.parse(config["url"]).with_password(HIDDEN).shown
    shown: dict[str, Any] = {"name": record.name, "collection": collection, "kind": record.kind}
    shown |= {"state": record.state.value}
    shown |= {"engine": config.get("engine"), "url": url, "tables": config.get("tables", {})}
    return shown | {"topic_prefix": config.get("topic_prefix"), "updated_at": record.updated_at}

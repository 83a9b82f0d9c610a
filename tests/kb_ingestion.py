"""`kb ingest` in the process of a test. Tests import the fixtures by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.knowledge_base import KnowledgeBase
from api.sources.opening import open_source
from infra.settings import Settings
from ingest.report import IngestReport
from retrieval.types import OPERATOR, Document

LONG_AGO = 1_700_000_000  # seconds since the epoch; stamps of files this old are trusted


class Ingestion:
    """`kb ingest` into a collection of its own."""

    def __init__(self, kb: KnowledgeBase, name: str) -> None:
        self.kb = kb
        self.collection = kb.ensure_collection(name)

    def run(
        self, what: Path | str, *, find_duplicates: bool = False, allow_mass_deletion: bool = False, **options: Any
    ) -> IngestReport:
        opened = open_source(self.kb, self.collection.name, str(what), **options)
        return self.kb.ingest(
            self.collection.name,
            opened.source,
            rows=opened.rows,
            allow_mass_deletion=allow_mass_deletion,
            find_duplicates=find_duplicates,
        )

    def documents(self) -> dict[str, Document]:
        documents = self.kb.catalog.documents
        keys = documents.keys(self.collection)
        return {key: documents.get(self.collection, key, OPERATOR).document for key in keys}

    def letters(self) -> list[str]:
        return [letter.key for letter in self.kb.catalog.sources.dead_letters(self.collection)]

    def acls(self) -> dict[str, tuple[str, ...] | None]:
        return {key: document.acl for key, document in self.documents().items()}


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path_factory.mktemp("data"), encoder="hash")) as opened:
        yield opened


@pytest.fixture
def ingestion(kb: KnowledgeBase) -> Ingestion:
    return Ingestion(kb, f"c{len(kb.catalog.collections.all())}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt"):
        put(tmp_path / "in" / name, f"Words of {name}")
    return tmp_path / "in"

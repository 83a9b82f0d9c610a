"""Chroma: a persistent client, its default way of adding documents, dense search.

Its default embedding function fetches an fp32 ONNX graph of all-MiniLM-L6-v2 from a hub. With no hub, the function
runs as it is (batches of 32 texts, cut at 256 tokens and padded to 256) on a graph made here by export_onnx.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import chromadb
from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2
from common import TOP, Scored, measure

BATCH = 5_000  # documents a call; Chroma refuses more than about 5,461


class LocalMiniLM(ONNXMiniLM_L6_V2):
    """Chroma's default function reading its files from a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.DOWNLOAD_PATH, self.EXTRACTED_FOLDER_NAME = folder.parent, folder.name

    def _download_model_if_not_exists(self) -> None:
        """The files are there."""


class Chroma:
    """A collection on disk."""

    def __init__(self, folder: Path) -> None:
        embed = LocalMiniLM(folder)
        embed(["a first text"])
        client = chromadb.PersistentClient(tempfile.mkdtemp(prefix="chroma-"))
        self._collection = client.create_collection("documents", embedding_function=embed)

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        for start in range(0, len(ids), BATCH):
            self._collection.add(ids=list(ids[start : start + BATCH]), documents=list(texts[start : start + BATCH]))

    def search(self, question: str) -> Scored:
        found = self._collection.query(query_texts=[question], n_results=TOP)
        return [(one, -distance) for one, distance in zip(found["ids"][0], found["distances"][0], strict=True)]


if __name__ == "__main__":
    measure(Chroma, ["chromadb", "onnxruntime"])

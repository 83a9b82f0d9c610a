"""The embeddings of one batch: a part of it is encoded while the next part is mended and cut."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from ingest.targets import EmbeddingTarget, Targets
from retrieval.catalog import Catalog, Upsert
from retrieval.contracts import Encoder
from retrieval.types import Vector, Vectors, text_hash

CALLS = 2  # of the encoder at once: the end of one leaves a thread idle, which the next call takes

Encoded = Future[Vectors]


class EmbeddingRun:
    """Embeds passages that have no vector yet, each once. Use it in a `with`: it waits for what was begun."""

    def __init__(self, catalog: Catalog, targets: Targets) -> None:
        self._catalog = catalog
        self._targets = targets
        self._asked: dict[str, set[str]] = {one.encoder.fingerprint: set() for one in targets.embeddings}
        self._done: dict[str, dict[str, Vector]] = {fingerprint: {} for fingerprint in self._asked}
        self._under_way: list[tuple[str, list[str], Encoded]] = []
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> EmbeddingRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, upserts: Sequence[Upsert], *, last: bool) -> None:
        """Embed what these need: in the background where more is to come, else now."""
        passages = _passages(upserts, self._targets.cuttings[0].number)
        for target in self._targets.embeddings:
            missing = self._missing(target, passages)
            if missing and last and self._pool is None:
                self._keep(target.encoder.fingerprint, list(missing), _encode(target.encoder, missing))
            elif missing:
                self._begin(target.encoder, missing)

    def vectors(self) -> dict[str, dict[str, Vector]]:
        """By fingerprint, the serving generation's first, the vectors by text hash. Raises what an encoder raised."""
        for fingerprint, keys, encoded in self._under_way:
            self._keep(fingerprint, keys, encoded.result())
        self._under_way = []
        return self._done

    def _missing(self, target: EmbeddingTarget, passages: dict[int, dict[str, str]]) -> dict[str, str]:
        """Passages by text hash that neither the catalog nor this run has embedded."""
        fingerprint = target.encoder.fingerprint
        wanted: dict[str, str] = {}
        for number in target.cuttings:
            wanted |= passages.get(number, {})
        asked = self._asked[fingerprint]
        wanted = {key: passage for key, passage in wanted.items() if key not in asked}
        asked.update(wanted)
        missing = sorted(self._catalog.embeddings.missing(fingerprint, wanted)) if wanted else []
        return {key: wanted[key] for key in missing}

    def _begin(self, encoder: Encoder, missing: dict[str, str]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CALLS, thread_name_prefix="embedding")
        self._under_way.append((encoder.fingerprint, list(missing), self._pool.submit(_encode, encoder, missing)))

    def _keep(self, fingerprint: str, keys: Sequence[str], vectors: Vectors) -> None:
        self._done[fingerprint].update(zip(keys, vectors, strict=True))


def _encode(encoder: Encoder, missing: dict[str, str]) -> Vectors:
    return encoder.encode_passages(list(missing.values()))


def _passages(upserts: Sequence[Upsert], serving: int) -> dict[int, dict[str, str]]:
    """By cutting, what is to be embedded by text hash."""
    passages: dict[int, dict[str, str]] = {}
    for upsert in upserts:
        if upsert.chunks is None:
            continue
        for number, chunks in ((serving, upsert.chunks), *upsert.others.items()):
            mine = passages.setdefault(number, {})
            for chunk in chunks:
                passage = chunk.passage(upsert.document.title)
                mine[text_hash(passage)] = passage
    return passages

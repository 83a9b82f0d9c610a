"""One index on the server: made when absent, written by bulks that carry their place in the log, read by queries.

The place is a document of the same shard, in the same log of the server as what it stands for. It is written under the
condition that nobody wrote it since we did: a second writer, and a server that came back without its last seconds, both
show as `ViewOvertakenError`, and whoever gets it reads the place again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from pyroaring import BitMap64

from retrieval.elastic.client import ElasticServer, FullServerError, failure
from retrieval.elastic.layout import INDEX_SUFFIX, OWNER, IndexName, index_name, template, template_name
from retrieval.elastic.terms import Query
from retrieval.errors import ViewLostError, ViewOvertakenError
from retrieval.sparse.overlay import Statistics
from retrieval.views.digests import DIGEST_FIELD

POSITION_ID = "position"
BULK_BYTES = 4 * 2**20  # of one request, so that a long catch-up needs bounded memory here and there
PAGE = 10_000  # labels of one answer while all are listed
MAX_VECTORS = 2_000  # of one answer, 8 MB of 384 dimensions; the server refuses more than `MAX_WINDOW`
PIT_SECONDS = 60
NEWER_VERSION = re.compile(r"current version \[(\d+)\] is higher")  # nothing else tells of a deletion's version

Hit = list[Any]  # the sort values of a hit: score, label


@dataclass(frozen=True, slots=True)
class Place:
    """How far the index is, and the state of the server's record of it."""

    seq: int
    seq_no: int  # the server's counters, which every write and every restart changes
    primary_term: int


class ElasticIndex:
    """An index with its alias. One thread writes; any number read."""

    def __init__(
        self, server: ElasticServer, name: IndexName, dim: int | None = None, *, quantised: bool = False
    ) -> None:
        self.server = server
        self.name = name
        self._template = template(name, dim, server.options.replicas, quantised, server.options.catalog)
        self._place: Place | None = None
        self._is_blocked = False  # by a full disk
        self.refused_by = 0  # the newest version that refused a line of the last write as older

    @property
    def place(self) -> int:
        """The operation the index holds, as last written or read by this object; 0 before."""
        return self._place.seq if self._place is not None else 0

    def resume(self) -> int:
        """Read the place, making the index where it is absent; the place read."""
        if self._is_blocked:
            self._is_blocked = not self.server.clear_full_disk_block(self.name.alias)
        try:
            self._place = self._read_place()
        except ViewLostError:
            self._create()
            self._place = self._read_place()
        self._add_copies()
        return self.place

    def is_current(self) -> bool:
        """Whether the index is as this object left it."""
        return self._place == self._read_place()

    def check(self) -> None:
        """Nothing, where the index can be searched; raises as every call of the server does."""
        self.count({"ids": {"values": [POSITION_ID]}})

    def write(self, operations: Iterable[bytes], seq: int) -> None:
        """Send the lines in bounded requests, the last one with the new place; searchable when this returns."""
        if self._place is None:
            self.resume()
        assert self._place is not None
        parts = _parts(operations)
        former = next(parts, [])
        with self._writing():
            for part in parts:
                self._bulk(former)
                former = part
            self._place = self._bulk([*former, *self._place_lines(max(seq, self._place.seq))], refresh=True)

    def write_beside(self, operations: Iterable[bytes]) -> None:
        """Send the lines in bounded requests, without a place: another process may write meanwhile."""
        with self._writing():
            for part in _parts(operations):
                self._bulk(part, refresh=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.refused_by = 0
        try:
            yield
        except FullServerError:
            self._is_blocked = True
            raise

    def search(self, query: Query, size: int) -> list[Hit]:
        """(score, label) of the best hits by falling score, ties by rising label."""
        best_first = [{"_score": "desc"}, {"label": "asc"}]
        hits = self._found(query=query, size=size, sort=best_first, filter_path="hits.hits.sort")
        return [hit["sort"] for hit in hits]

    def search_from(self, query: Query, least: float, size: int) -> list[Hit]:
        """(score, label) of the hits that score at least so much, those with the lowest labels, by rising label."""
        told = {"track_scores": True, "filter_path": "hits.hits._score,hits.hits.sort"}
        hits = self._found(query=query, size=size, sort=[{"label": "asc"}], min_score=least, **told)
        return [[hit["_score"], *hit["sort"]] for hit in hits]

    def _found(self, **asked: Any) -> list[Any]:
        with self.server.searching() as client:
            return _hits(client.search(index=self.name.alias, source=False, track_total_hits=False, **asked))

    def count(self, query: Query) -> int:
        """How many chunks match."""
        with self.server.searching() as client:
            return int(client.count(index=self.name.alias, query=query)["count"])

    def statistics(self, terms: Sequence[str]) -> Statistics:
        """What the server's BM25 knows of the words and of these, deleted chunks that are not merged away included."""
        with self.server.searching() as client:
            answer = client.termvectors(
                index=self.name.alias,
                doc={"body": " ".join(terms)},
                fields=["body"],
                term_statistics=True,
                positions=False,
                offsets=False,
                filter_path="term_vectors.body.field_statistics,term_vectors.body.terms.*.doc_freq",
            )
        found = answer.get("term_vectors", {}).get("body", {})
        field, held = found.get("field_statistics", {}), found.get("terms", {})
        documents = max(0, int(field.get("doc_count", 0)))
        average = int(field.get("sum_ttf", 0)) / documents if documents else 0.0
        return Statistics(documents, average, {term: int(held.get(term, {}).get("doc_freq", 0)) for term in terms})

    def labels(self) -> BitMap64:
        """The labels of all chunks, read from one state of the index."""
        found = BitMap64()
        for page in self._pages("hits.hits.sort"):
            found.update(int(hit["sort"][0]) for hit in page)
        return found

    def newer_than(self, seq: int) -> dict[int, int]:
        """Label -> version of the chunks whose version is beyond that operation, read from one state of the index."""
        pages = self._pages("hits.hits.sort,hits.hits._version", version=True)
        return {int(hit["sort"][0]): int(hit["_version"]) for page in pages for hit in page if hit["_version"] > seq}

    def _pages(self, filter_path: str, **asked: Any) -> Iterator[list[Any]]:
        """All chunks by rising label."""
        with self.server.writing() as client:
            alive = f"{PIT_SECONDS}s"
            pit = client.open_point_in_time(index=self.name.alias, keep_alive=alive)["id"]
            try:
                after: list[Any] | None = None
                while True:
                    page = _hits(
                        client.search(
                            pit={"id": pit, "keep_alive": alive},
                            query={"exists": {"field": "label"}},
                            sort=[{"label": "asc"}],
                            size=PAGE,
                            search_after=after,
                            source=False,
                            track_total_hits=False,
                            filter_path=filter_path,
                            **asked,
                        )
                    )
                    yield page
                    if len(page) < PAGE:
                        return
                    after = page[-1]["sort"][:1]
            finally:
                client.close_point_in_time(id=pit)

    def vectors(self, labels: Sequence[int]) -> dict[int, list[float]]:
        """Label -> vector of those of the chunks that have one."""
        parts = (labels[start : start + MAX_VECTORS] for start in range(0, len(labels), MAX_VECTORS))
        return {label: vector for part in parts for label, vector in self._vectors(part).items()}

    def _vectors(self, labels: Sequence[int]) -> dict[int, list[float]]:
        with self.server.searching() as client:
            answer = client.search(
                index=self.name.alias,
                query={"ids": {"values": [str(label) for label in labels]}},
                size=len(labels),
                fields=[{"field": "label"}, {"field": "vector"}],
                source=False,
                sort=["_doc"],
                filter_path="hits.hits.fields",
            )
        fields = (hit.get("fields", {}) for hit in _hits(answer))
        return {int(found["label"][0]): found["vector"] for found in fields if "vector" in found}

    def digests(self, labels: Sequence[int]) -> dict[int, int | None]:
        """Label -> digest of those of the chunks that are there; None where one was written without, or lost it."""
        found: dict[int, int | None] = {}
        with self.server.writing() as client:
            for part in (labels[start : start + PAGE] for start in range(0, len(labels), PAGE)):
                answer = client.search(
                    index=self.name.alias,
                    query={"ids": {"values": [str(label) for label in part]}},
                    size=len(part),
                    docvalue_fields=[{"field": "label"}, {"field": DIGEST_FIELD}],
                    source=False,
                    sort=["_doc"],
                    track_total_hits=False,
                    filter_path="hits.hits.fields",
                )
                for kept in (hit["fields"] for hit in _hits(answer)):
                    found[int(kept["label"][0])] = int(kept[DIGEST_FIELD][0]) if DIGEST_FIELD in kept else None
        return found

    def drop(self) -> None:
        """Delete the index and its template."""
        delete_index(self.server, self.name.alias)
        self._place = None

    def _create(self) -> None:
        from elasticsearch import BadRequestError

        with self.server.writing() as client:
            client.indices.put_index_template(name=template_name(self.name.alias), **self._template)
            try:
                client.indices.create(index=self.name.index, aliases={self.name.alias: {}}, wait_for_active_shards=1)
            except BadRequestError as error:
                if "already_exists" not in error.message:
                    raise
                # Another process was faster, or the alias is gone, as after a snapshot came back without aliases.
                client.indices.put_alias(index=self.name.index, name=self.name.alias)

    def _add_copies(self) -> None:
        """Give an index that was made with fewer copies as many as the settings ask for; more are somebody's choice."""
        wanted, setting = self.server.options.replicas, "index.number_of_replicas"
        with self.server.writing() as client:
            found = client.indices.get_settings(index=self.name.alias, name=setting, flat_settings=True)
            if any(int(about["settings"][setting]) < wanted for about in found.values()):
                client.indices.put_settings(index=self.name.alias, settings={setting: wanted})

    def _read_place(self) -> Place:
        from elasticsearch import NotFoundError

        with self.server.searching() as client:
            try:
                answer = client.get(index=self.name.alias, id=POSITION_ID)
            except NotFoundError as error:
                if isinstance(error.body, dict) and "found" in error.body:
                    return Place(0, -2, 0)
                raise
        return Place(int(answer["_source"]["position"]), int(answer["_seq_no"]), int(answer["_primary_term"]))

    def _place_lines(self, seq: int) -> list[bytes]:
        assert self._place is not None
        if self._place.seq_no < 0:
            action: dict[str, Any] = {"create": {"_id": POSITION_ID}}
        else:
            condition = {"if_seq_no": self._place.seq_no, "if_primary_term": self._place.primary_term}
            action = {"index": {"_id": POSITION_ID, **condition}}
        return [orjson.dumps(action), orjson.dumps({"position": seq})]

    def _bulk(self, lines: list[bytes], *, refresh: bool = False) -> Place | None:
        """Send one request; the new place, where it was among the lines. Raises for any line that was refused."""
        if not lines:
            return self._place
        encoded: Any = lines  # the client sends bytes as they are, its types speak of dictionaries only
        with self.server.writing() as client:
            answer = client.bulk(
                index=self.name.alias,
                operations=encoded,
                refresh=refresh,
                require_alias=True,
                filter_path="items.*._id,items.*.status,items.*.error,items.*._seq_no,items.*._primary_term",
            )
        place = self._place
        for item in answer["items"]:
            ((verb, result),) = item.items()
            if result["_id"] == POSITION_ID:
                place = _new_place(result, lines[-1])
            elif "error" in result:
                if not _is_harmless(verb, result):
                    raise _refusal(result)
                self.refused_by = max(self.refused_by, _newer_version(result))
        return place


def kept_indexes(server: ElasticServer, prefix: str) -> dict[str, str]:
    """Alias -> mark of the catalog, "" where an earlier version made it, of the indexes whose names begin so."""
    with server.writing() as client:
        found = client.indices.get(index=f"{prefix}-*", features="mappings", allow_no_indices=True)
    ours = {name: about for name, about in found.items() if name.endswith(INDEX_SUFFIX)}
    return {name.removesuffix(INDEX_SUFFIX): _owner(about) for name, about in ours.items()}


def delete_index(server: ElasticServer, alias: str) -> None:
    """Delete the index behind an alias and its template; nothing where they are gone already."""
    with server.writing() as client:
        # The template first: whoever misses the index and makes it anew puts its template there, which must stay.
        client.options(ignore_status=404).indices.delete_index_template(name=template_name(alias))
        client.indices.delete(index=index_name(alias), ignore_unavailable=True)


def drop_indexes(server: ElasticServer, collection: str) -> None:
    """Delete every index of a collection, whatever built it, with their templates."""
    everything = f"{collection}-*"
    with server.writing() as client:
        found = client.indices.get(index=everything, features="aliases", allow_no_indices=True)
        for index in found:  # by their names: servers may refuse to delete by pattern
            client.indices.delete(index=index, ignore_unavailable=True)
        patterns = client.options(ignore_status=404).indices.get_index_template(name=everything)
        for made in patterns.get("index_templates", []):
            client.options(ignore_status=404).indices.delete_index_template(name=made["name"])


def index_line(label: int, version: int, document: Mapping[str, Any]) -> list[bytes]:
    """Two lines of a bulk that put a chunk in, unless the index has a newer state of it."""
    action = {"index": {"_id": str(label), "version": version, "version_type": "external_gte"}}
    return [orjson.dumps(action), orjson.dumps({"label": label, **document}, option=orjson.OPT_SERIALIZE_NUMPY)]


def update_line(label: int, document: Mapping[str, Any]) -> list[bytes]:
    """Two lines of a bulk that change a chunk that is there."""
    return [orjson.dumps({"update": {"_id": str(label)}}), orjson.dumps({"doc": document})]


def delete_line(label: int, version: int) -> list[bytes]:
    """The line of a bulk that takes a chunk out."""
    return [orjson.dumps({"delete": {"_id": str(label), "version": version, "version_type": "external_gte"}})]


def _parts(operations: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines in requests of about `BULK_BYTES`; an action and its document stay together by ending on a document."""
    part: list[bytes] = []
    size = 0
    for line in operations:
        if size >= BULK_BYTES and _is_action(line):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


def _is_action(line: bytes) -> bool:
    return line.startswith((b'{"index":', b'{"delete":', b'{"update":'))


def _is_harmless(verb: str, result: Mapping[str, Any]) -> bool:
    """Whether a line was refused because the index is newer, or because what it changes is not there."""
    if result["status"] == 409:
        return True
    return verb == "update" and result["error"].get("type") == "document_missing_exception"


def _newer_version(result: Mapping[str, Any]) -> int:
    """The version that refused a line as older, also one of a deletion that the server remembers; 0: none did."""
    found = NEWER_VERSION.search(str(result["error"].get("reason", "")))
    return int(found[1]) if found else 0


def _new_place(result: Mapping[str, Any], document: bytes) -> Place:
    if result["status"] == 409:
        raise ViewOvertakenError("another process writes this index, or its server started again; read its place again")
    if "error" in result:
        raise _refusal(result)
    return Place(int(orjson.loads(document)["position"]), int(result["_seq_no"]), int(result["_primary_term"]))


def _refusal(result: Mapping[str, Any]) -> Exception:
    error = result["error"]
    return failure(int(result["status"]), str(error.get("type", "")), str(error.get("reason", "")))


def _owner(about: Mapping[str, Any]) -> str:
    return str(about.get("mappings", {}).get("_meta", {}).get(OWNER, ""))


def _hits(answer: Any) -> list[Any]:
    hits: list[Any] = answer.get("hits", {}).get("hits", [])
    return hits

"""Who may see which chunk, and which chunks carry which metadata: bitmaps that narrow a search before it runs.

It is an accelerator only: the check against the catalog after the search has the last word.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pyroaring import BitMap64

from retrieval.errors import ViewError
from retrieval.filters import And, AnyOf, Compare, Exists, Filter, HasPart, Not, Or
from retrieval.types import IndexedChunk, Principal, ViewBatch
from retrieval.views.attribute_fields import FieldIndex
from retrieval.views.folder import Reached, lock_folder, read_manifest, replace_file, write_manifest

FORMAT = 1
EXPECTED = {"kind": "attributes", "format": FORMAT}
ROWS_NAME = "rows.json"


@dataclass(frozen=True, slots=True)
class _Attributes:
    """What a chunk's document says of it."""

    document: int
    groups: tuple[str, ...]
    metadata: Mapping[str, Any]


class AttributeView:
    """Follows the same batches as the other views; groups and metadata are mutable, so an added label overwrites.

    One thread applies; any number ask meanwhile. A field is indexed when a filter first names it.
    """

    def __init__(self, folder: Path | None, *, read_only: bool = False) -> None:
        self._guard = threading.Lock()  # held for the length of a dictionary or bitmap operation
        self._folder = folder
        self._may_save = folder is not None and not read_only
        self._lock = lock_folder(folder) if folder and self._may_save else None
        self.reached = Reached()
        self._labels = BitMap64()
        self._attributes: dict[int, _Attributes] = {}
        self._groups: dict[str, BitMap64] = {}
        self._documents: dict[int, list[int]] = {}
        self._fields: dict[str, FieldIndex] = {}
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def seq(self) -> int:
        """The last operation applied."""
        return self.reached.seq

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> BitMap64:
        """All labels held."""
        with self._guard:
            return self._labels.copy()

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held with other groups or metadata."""
        pairs = ((chunk, self._attributes.get(chunk.label)) for chunk in chunks)
        return BitMap64([c.label for c, held in pairs if held is not None and _plain(held) != _plain(_described(c))])

    def document_of(self, label: int) -> int | None:
        """The document a chunk belongs to; None where the label is unknown."""
        attributes = self._attributes.get(label)
        return attributes.document if attributes else None

    def labels_of(self, document: int) -> list[int]:
        """The chunks of a document, by rising label; empty where it is unknown."""
        with self._guard:
            return sorted(self._documents.get(document, ()))

    def passages_of(self, documents: Sequence[int]) -> list[list[int]]:
        """The chunks of each document, as `labels_of` one by one."""
        with self._guard:
            return [sorted(self._documents.get(document, ())) for document in documents]

    def labels_of_key(self, key: str) -> BitMap64:
        """The chunks of the document of that key; empty where there is none. The first call indexes the keys."""
        with self._guard:
            return self._field("_key").having(key)

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`; visible to `allowed` as a whole."""
        with self._guard:
            for label in batch.removed:
                self._remove(label)
            shared: dict[int, _Attributes] = {}
            for chunk in batch.added:
                self._remove(chunk.label)
                self._add(chunk.label, _shared_attributes(chunk, shared))
            self.reached = self.reached.after(batch)

    def allowed(self, principal: Principal, condition: Filter | None = None) -> BitMap64 | None:
        """The labels this caller may see that pass the filter; None means every label, which legs search faster."""
        with self._guard:
            visible = None if principal.sees_all else self._visible_to(principal.groups)
            if condition is not None:
                passing = self._passing(condition)
                visible = passing.copy() if visible is None else passing & visible
            covers_all = visible is not None and len(visible) == len(self._labels) > 0
            return None if covers_all else visible

    def save(self) -> None:
        """Write the whole state; nothing is written in between."""
        if not self._folder or not self._may_save:
            return
        rows: dict[int, tuple[_Attributes, list[int]]] = {}
        with self._guard:
            for label, attributes in self._attributes.items():
                rows.setdefault(id(attributes), (attributes, []))[1].append(label)
            reached = self.reached
        content = orjson.dumps([[a.document, a.groups, a.metadata, labels] for a, labels in rows.values()], default=str)
        replace_file(self._folder / ROWS_NAME, content)
        write_manifest(self._folder, {**EXPECTED, **reached.written()})

    def close(self) -> None:
        """Give up the folder; what was not saved is replayed at the next start."""
        if self._lock is not None:
            self._lock.release()

    def _load(self) -> None:
        manifest = read_manifest(self._folder, EXPECTED) if self._folder else None
        if manifest is None or self._folder is None:
            return
        path = self._folder / ROWS_NAME
        try:
            self._fill(orjson.loads(path.read_bytes()))
        except (OSError, TypeError, ValueError) as error:  # the latter two: no JSON, or not what was written
            raise ViewError(
                f"{path} cannot be read ({error}); delete {self._folder} and the view is rebuilt"
            ) from error
        self.reached = Reached.read(manifest)

    def _fill(self, rows: Iterable[tuple[int, list[str], dict[str, Any], list[int]]]) -> None:
        by_group: dict[str, list[int]] = {}
        for document, groups, metadata, labels in rows:
            attributes = _Attributes(document, tuple(groups), metadata)
            self._attributes.update(dict.fromkeys(labels, attributes))
            self._documents.setdefault(document, []).extend(labels)
            for group in groups:
                by_group.setdefault(group, []).extend(labels)
        self._groups = {group: BitMap64(labels) for group, labels in by_group.items()}
        self._labels = BitMap64(list(self._attributes))

    def _add(self, label: int, attributes: _Attributes) -> None:
        self._labels.add(label)
        self._attributes[label] = attributes
        self._documents.setdefault(attributes.document, []).append(label)
        for group in attributes.groups:
            self._groups.setdefault(group, BitMap64()).add(label)
        for name, index in self._fields.items():
            index.add(label, attributes.metadata.get(name))

    def _remove(self, label: int) -> None:
        attributes = self._attributes.pop(label, None)
        if attributes is None:
            return
        self._labels.discard(label)
        siblings = self._documents[attributes.document]
        siblings.remove(label)
        if not siblings:
            del self._documents[attributes.document]
        for group in set(attributes.groups):
            self._remove_from_group(label, group)
        for name, index in self._fields.items():
            index.remove(label, attributes.metadata.get(name))

    def _remove_from_group(self, label: int, group: str) -> None:
        members = self._groups[group]
        members.discard(label)
        if not members:
            del self._groups[group]

    def _visible_to(self, groups: Iterable[str]) -> BitMap64:
        return BitMap64().union(*(self._groups[group] for group in groups if group in self._groups))

    def _passing(self, condition: Filter) -> BitMap64:
        """The labels that pass; may be an inner bitmap, so callers copy before they let go of the guard."""
        match condition:
            case AnyOf(name, values):
                return self._field(name).any_of(values)
            case Compare(name, bound, limit):
                return self._field(name).compare(bound, limit)
            case HasPart(name):
                return self._field(name).with_text(condition.holds)
            case Exists(name):
                return self._field(name).present
            case And(parts):
                return self._labels.intersection(*map(self._passing, parts)) if parts else self._labels
            case Or(parts):
                return BitMap64().union(*map(self._passing, parts))
            case Not(part):
                return self._labels - self._passing(part)

    def _field(self, name: str) -> FieldIndex:
        index = self._fields.get(name)
        if index is None:
            index = FieldIndex.build((label, a.metadata.get(name)) for label, a in self._attributes.items())
            self._fields[name] = index
        return index


def _plain(attributes: _Attributes) -> bytes:
    """As a snapshot would write it: a time that was read from one equals the time itself."""
    content = (attributes.document, sorted(attributes.groups), dict(attributes.metadata))
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _described(chunk: IndexedChunk) -> _Attributes:
    return _Attributes(chunk.document, tuple(chunk.groups), chunk.metadata)


def _shared_attributes(chunk: IndexedChunk, shared: dict[int, _Attributes]) -> _Attributes:
    """The chunk's attributes, one object for all chunks of a document that agree: most of the view's memory."""
    known = shared.get(chunk.document)
    if known is None or known.groups != chunk.groups or known.metadata != chunk.metadata:
        known = shared[chunk.document] = _Attributes(chunk.document, chunk.groups, chunk.metadata)
    return known

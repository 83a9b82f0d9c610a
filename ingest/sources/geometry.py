"""Geometries as well-known text, from the well-known binary form that databases and connectors hand out.

Both forms: OGC Simple Feature Access 1.2.1, chapters 7 and 8; a reference system as PostGIS writes it is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_NAMES = {1: "POINT", 2: "LINESTRING", 3: "POLYGON", 4: "MULTIPOINT", 5: "MULTILINESTRING", 6: "MULTIPOLYGON"}
_COLLECTION = 7
_HAS_SRID, _HAS_M, _HAS_Z = 0x20000000, 0x40000000, 0x80000000  # PostGIS's flags in the type


def geometry_text(data: bytes) -> str:
    """Such as `POINT(1.5 -2)`. Raises `ValueError` for what is of no known kind or length, or too deep."""
    try:
        text, end = _Reader(data).geometry(0)
    except struct.error as error:
        raise ValueError(f"a geometry of {len(data)} bytes ends too early") from error
    except RecursionError as error:
        raise ValueError(f"a geometry of {len(data)} bytes is nested too deep") from error
    if end != len(data):
        raise ValueError(f"a geometry of {len(data)} bytes has {len(data) - end} more than it needs")
    return text


def point_text(numbers: Iterable[float]) -> str:
    """The text of a point at these numbers."""
    return f"POINT({_numbers(numbers)})"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def geometry(self, at: int, named: bool = True) -> tuple[str, int]:
        order = "<" if self._data[at : at + 1] == b"\x01" else ">"
        (kind,) = struct.unpack_from(order + "I", self._data, at + 1)
        at += 9 if kind & _HAS_SRID else 5
        size = 2 + bool(kind & _HAS_Z) + bool(kind & _HAS_M)
        kind &= 0xFFFF
        if kind == _COLLECTION:
            parts, at = self._parts(order, at)
            return f"GEOMETRYCOLLECTION({','.join(parts)})", at
        if kind not in _NAMES:
            raise ValueError(f"geometry of kind {kind}, expected 1 to 7")
        body, at = self._body(kind, order, size, at)
        return (_NAMES[kind] if named else "") + body, at

    def _body(self, kind: int, order: str, size: int, at: int) -> tuple[str, int]:
        if kind == 1:
            point, at = self._point(order, size, at)
            return f"({point})", at
        if kind == 2:
            return self._points(order, size, at)
        if kind == 3:
            (count,) = struct.unpack_from(order + "I", self._data, at)
            at, rings = at + 4, []
            for _ in range(count):
                ring, at = self._points(order, size, at)
                rings.append(ring)
            return f"({','.join(rings)})", at
        parts, at = self._parts(order, at, named=False)
        return f"({','.join(parts)})", at

    def _parts(self, order: str, at: int, named: bool = True) -> tuple[list[str], int]:
        (count,) = struct.unpack_from(order + "I", self._data, at)
        at, parts = at + 4, []
        for _ in range(count):
            part, at = self.geometry(at, named)
            parts.append(part)
        return parts, at

    def _points(self, order: str, size: int, at: int) -> tuple[str, int]:
        (count,) = struct.unpack_from(order + "I", self._data, at)
        at, points = at + 4, []
        for _ in range(count):
            point, at = self._point(order, size, at)
            points.append(point)
        return f"({','.join(points)})", at

    def _point(self, order: str, size: int, at: int) -> tuple[str, int]:
        numbers = struct.unpack_from(f"{order}{size}d", self._data, at)
        return _numbers(numbers), at + 8 * size


def _numbers(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.15g}" for number in numbers)

"""Which decoder belongs to a type as a database prints it."""

from __future__ import annotations

import base64
import struct
from decimal import Decimal
from typing import Any

import pytest

from ingest.row_values import json_row
from ingest.sources.column_kinds import decoder_of
from ingest.sources.debezium_values import decode_row
from ingest.sources.geometry import geometry_text

# A collection of a collection of a collection …, each in little-endian well-known binary.
DEEP = {"wkb": base64.b64encode(b"\x01\x07\x00\x00\x00\x01\x00\x00\x00" * 5_000).decode(), "srid": None}
ODD = ["::1", "2001:db8::1", "", 7, True, [1, "a"], {"any": {"thing": 1}}, DEEP]


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("decimal(10,2) unsigned zerofill", "00000012.50", Decimal("12.50")),
        ("numeric(5,2)[]", ["1.50", None], [Decimal("1.50"), None]),
        ("ext.hstore", '{"a":"1"}', {"a": "1"}),
        ("ext.hstore[]", ['{"a":"1"}'], [{"a": "1"}]),
    ],
)
def test_a_value_is_decoded_by_its_type_whatever_stands_around_the_name(kind: str, sent: Any, value: Any) -> None:
    decoder = decoder_of(kind)
    assert decoder is not None
    assert decoder(sent) == value


@pytest.mark.parametrize("kind", ["enum('json','date')", "enum('a.date')", "bit(1)", "character varying(10)", "inet"])
def test_a_value_of_another_type_is_taken_as_it_is_sent(kind: str) -> None:
    assert decoder_of(kind) is None


@pytest.mark.parametrize("sent", ODD)
def test_a_column_of_a_type_that_nobody_knows_is_taken_as_it_is_sent(sent: Any) -> None:
    """Added to a table that is read, before its type was looked up; and with a schema of another version's type."""
    assert decode_row({"id": 1, "new": sent}, None, {"id": decoder_of("decimal(5,0)")}) == {"id": 1, "new": sent}
    fields = [{"field": "id", "type": "int32"}, {"field": "new", "type": "string", "name": "io.debezium.data.Later"}]
    row = decode_row({"id": 1, "new": sent}, {"fields": fields})
    assert row == {"id": 1, "new": sent}
    assert json_row(row) == row


@pytest.mark.parametrize(
    ("flags", "numbers", "text"),
    [
        (0, (1.5, -2.0), "POINT(1.5 -2)"),
        (0x80000000, (1.0, 2.0, 3.0), "POINT(1 2 3)"),
        (0x40000000, (1.0, 2.0, 4.0), "POINT(1 2 4)"),
        (0xE0000000, (1.0, 2.0, 3.0, 4.0), "POINT(1 2 3 4)"),
    ],
)
def test_a_point_of_postgis_has_its_height_and_measure(flags: int, numbers: tuple[float, ...], text: str) -> None:
    system = struct.pack("<I", 4326) if flags & 0x20000000 else b""
    data = b"\x01" + struct.pack("<I", 1 | flags) + system + struct.pack(f"<{len(numbers)}d", *numbers)
    assert geometry_text(data) == text


@pytest.mark.parametrize("sent", [DEEP, {"wkb": "AA==", "srid": 4326}, {"wkb": None}, "text"])
def test_a_value_that_does_not_fit_its_type_is_taken_as_it_is_sent(sent: Any) -> None:
    for name in ("io.debezium.data.geometry.Geometry", "io.debezium.time.Date", "io.debezium.data.Bits"):
        assert decode_row({"new": sent}, {"fields": [{"field": "new", "name": name}]}) == {"new": sent}

"""Which decoder belongs to a type as a database prints it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ingest.sources.column_kinds import decoder_of


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

"""Numbers of rows and of JSON keep their digits on the way into the catalog and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from ingest.json_reading import read_json
from ingest.parsers import parse_file
from ingest.row_values import json_row, key_text

ACCOUNT = 123456789012345678901234


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (ACCOUNT, str(ACCOUNT)),
        (Decimal(ACCOUNT), str(ACCOUNT)),
        (Decimal("-123456789012345678901234.00"), f"-{ACCOUNT}"),
        (Decimal("1E+5000"), "1" + "0" * 5000),
        ([{"n": ACCOUNT}], [{"n": str(ACCOUNT)}]),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**63), -(2**63)),
        (True, True),
        (Decimal("12.50"), 12.5),
    ],
)
def test_a_row_comes_back_as_it_was_stored(value: Any, kept: Any) -> None:
    row = json_row({"v": value})
    assert row == {"v": kept}
    assert orjson.loads(orjson.dumps(row)) == row


def test_a_key_beyond_64_bits_keeps_its_digits() -> None:
    assert key_text([ACCOUNT, Decimal(ACCOUNT)]) == f"{ACCOUNT},{ACCOUNT}"


@pytest.mark.parametrize("form", [str, str.encode])
def test_json_keeps_the_digits_of_long_numbers(form: Any) -> None:
    text = '{"a": [%d, -%d], "b": 9223372036854775807, "c": 9223372036854775808, "d": 1.5, "e": "%d"}'
    expected = {"a": [str(ACCOUNT), f"-{ACCOUNT}"], "b": 2**63 - 1, "c": str(2**63), "d": 1.5, "e": str(ACCOUNT)}
    assert read_json(form(text % (ACCOUNT, ACCOUNT, ACCOUNT))) == expected
    assert read_json(form("1" * 300)) == "1" * 300
    assert read_json(form('{"n": 12}')) == {"n": 12}
    with pytest.raises(orjson.JSONDecodeError):
        read_json(form(f"[{ACCOUNT}, NaN]"))


def test_a_json_file_keeps_them_too() -> None:
    assert str(ACCOUNT) in parse_file(f'{{"account": {ACCOUNT}}}'.encode(), "a.json").text


def test_json_may_be_nested_as_deep_as_orjson_reads_it() -> None:
    value = read_json("[" * 1000 + str(ACCOUNT) + "]" * 1000)
    for _ in range(1000):
        (value,) = value
    assert float(value) == float(ACCOUNT)

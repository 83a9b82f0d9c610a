"""What kind of values a column holds, by the name of its SQL type, for messages that come without schemas.

Names are as the databases print them: `format_type` in PostgreSQL, `column_type` in MySQL and MariaDB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ingest.sources import value_decoders as decode

Decoder = Callable[[Any], Any]

_SIZE = re.compile(r"\([^)]*\)")
_BITS = re.compile(r"bit\((\d+)\)")
_BY_TYPE: Mapping[str, Decoder] = {
    "date": decode.iso_date,
    "time": decode.iso_time,
    "time without time zone": decode.iso_time,
    "time with time zone": decode.as_sent,
    "timestamp": decode.iso_moment,  # MySQL's and MariaDB's is a moment; PostgreSQL writes out which one it is
    "timestamp with time zone": decode.iso_moment,
    "timestamp without time zone": decode.iso_timestamp,
    "datetime": decode.iso_timestamp,
    "numeric": decode.decimal_text,
    "decimal": decode.decimal_text,
    "money": decode.decimal_text,
    "json": decode.json_text,
    "jsonb": decode.json_text,
    "hstore": decode.json_text,
    "bit varying": decode.bits(0),
}

Kinds = Mapping[str, Mapping[str, Decoder]]  # table -> column -> decoder, for columns that need one
NO_KINDS: Kinds = {}


def kinds_of(types: Mapping[str, Mapping[str, str]]) -> Kinds:
    """Decoders of the columns of each table whose SQL types are given; a column without one is taken as it is sent."""
    return {
        table: {column: decoder for column, kind in columns.items() if (decoder := decoder_of(kind)) is not None}
        for table, columns in types.items()
    }


def read_alike(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether columns of these types are read in the same way, however the types are spelt."""
    return _names(one) == _names(other)


def _names(columns: Mapping[str, str]) -> dict[str, str]:
    decoders = {column: decoder_of(kind) for column, kind in columns.items()}
    return {column: decoder.__qualname__ for column, decoder in decoders.items() if decoder is not None}


def decoder_of(sql_type: str) -> Decoder | None:
    """What makes a value of that SQL type from what was sent; None where that is the value already."""
    kind = sql_type.strip().lower().rpartition(".")[2]  # without the schema that an extension's type stands in
    if kind.endswith("[]"):
        item = decoder_of(kind.removesuffix("[]"))
        return None if item is None else decode.each(item)
    if (sized := _BITS.fullmatch(kind)) and sized[1] != "1":
        return decode.bits(int(sized[1]))
    return _BY_TYPE.get(" ".join(_SIZE.sub(" ", kind).replace("unsigned", "").replace("zerofill", "").split()))

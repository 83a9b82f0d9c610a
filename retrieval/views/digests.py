"""What a view holds of a chunk in 8 bytes, kept beside it: whether it still holds the same is seen without reading it.

Of what is kept otherwise one in 2^63 passes for the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import orjson

DIGEST_FIELD = "digest"
DIGEST_BYTES = 8


def digest_of(tokens: Iterable[str], attributes: Mapping[str, Sequence[str]] | None = None) -> int:
    """A number of 63 bits, which tantivy and Elasticsearch store; the order of the tokens does not count, as in BM25.

    `attributes` are terms by field, where the view filters by them.
    """
    content = orjson.dumps((" ".join(sorted(tokens)), attributes), option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest(), "big") >> 1

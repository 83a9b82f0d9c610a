"""Lists in pages: `limit` and an opaque `cursor` in, `next_cursor` out."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from api.errors import ApiError

T = TypeVar("T")
_ID = re.compile("[0-9a-f]{1,64}")

MAX_PAGE = 1_000  # items of one page
DEFAULT_PAGE = 100  # items
MAX_NUMBER = 2**63 - 1  # the largest that a catalog column holds, such as a document's version
MAX_ID = 2**31 - 1  # the largest number that the catalog gives itself: PostgreSQL counts rows in 32 bits


@dataclass(frozen=True, slots=True)
class Page:
    """How much of a list is wanted, and after which item. `cursor` None means from its beginning."""

    limit: int = DEFAULT_PAGE
    cursor: str | None = None

    def after_text(self) -> str:
        """The text the cursor stands for; "" at the beginning. Raises `ApiError` 422 for a cursor not of ours."""
        if not self.cursor:
            return ""
        try:
            return base64.b64decode(self.cursor.encode(), altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError):
            raise _not_ours(self.cursor) from None

    def after_number(self) -> int | None:
        """The number the cursor stands for; None at the beginning. Raises `ApiError` 422 for a cursor not of ours."""
        text = self.after_text()
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER)) and int(text) <= MAX_NUMBER):
            raise _not_ours(self.cursor or "")
        return int(text)

    def after_moment(self) -> tuple[datetime, str] | None:
        """The time and id that the cursor stands for (`moment_position`); None at the beginning. Raises likewise."""
        text = self.after_text()
        if not text:
            return None
        written, _, identity = text.partition(" ")
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise _not_ours(self.cursor or "") from None
        if moment.utcoffset() != timedelta(0) or not _ID.fullmatch(identity):
            raise _not_ours(self.cursor or "")
        return moment, identity

    def next_cursor(self, items: Sequence[T], position: Callable[[T], str | int]) -> str | None:
        """The cursor of the following page; None where this one was not full, so that nothing follows."""
        if len(items) < self.limit:
            return None
        return base64.urlsafe_b64encode(str(position(items[-1])).encode()).decode()


def moment_position(moment: datetime, identity: str) -> str:
    """Where an item stands in a list by time and, of one time, by hexadecimal id."""
    return f"{moment.astimezone(UTC).isoformat()} {identity}"


def page_json(name: str, items: Sequence[Any], next_cursor: str | None) -> dict[str, Any]:
    """A page as every list answers: the items under their name, then where to go on."""
    return {name: list(items), "next_cursor": next_cursor}


def _not_ours(cursor: str) -> ApiError:
    return ApiError(422, "invalid_cursor", f"cursor {cursor!r} is not one of ours; pass next_cursor of the page before")

"""The list of keys, page by page, while keys are forgotten."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from api_world import World, check_native_error, world


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


@pytest.mark.parametrize(
    "text",
    [
        *["2", "then 0a", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00 0a", "2026-01-01T00:00:00+01:00 0a"],
        *["0001-01-01T00:00:00+23:00 0a", "2026-01-01T00:00:00+00:00 \x00", "2026-01-01T00:00:00+00:00 KEY"],
    ],
)
def test_a_cursor_of_another_list_is_refused(served: World, text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    check_native_error(served.call("GET", "/v1/keys", params={"cursor": cursor}), 422, "invalid_cursor")


def test_no_key_is_left_out_while_others_are_forgotten(served: World) -> None:
    """The one that was made first is revoked: without it every other stands one place further to the front."""
    keys = served.kb.catalog.keys
    valid = [key.id for key in keys.all() if key.is_valid(datetime.now(UTC))]
    shown, asked = list[str](), dict[str, Any](limit=2)
    while True:
        page = served.call("GET", "/v1/keys", params=asked).json()
        shown += [key["id"] for key in page["keys"]]
        keys.prune(datetime.now(UTC))
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert [key for key in shown if key in valid] == valid
    assert len(shown) == len(set(shown))

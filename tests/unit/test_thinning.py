"""Fewer questions than there are, evenly spread."""

from __future__ import annotations

import pytest

from search_core.thinning import thinned


@pytest.mark.parametrize(
    ("count", "most", "kept"), [(5, 5, 5), (5, 9, 5), (6, 5, 3), (11, 5, 4), (1000, 3, 3), (0, 5, 0)]
)
def test_at_most_so_many_stay_evenly_spread(count: int, most: int, kept: int) -> None:
    found = thinned(range(count), most)
    assert len(found) == kept <= most
    assert len({later - earlier for earlier, later in zip(found, found[1:], strict=False)}) <= 1

"""The console's first load stays small: all the script that the overview with its charts needs, as it is sent."""

from __future__ import annotations

from pathlib import Path

import browser
import console_pages
from served import fill

from retrieval.catalog.keys import Scope

MOST_BYTES = 350 * 1024  # of compressed script, pages that are opened later not counted
LOADED = """() => performance.getEntriesByType('resource').filter(one => one.name.endsWith('.js'))
    .map(one => [one.name, one.encodedBodySize])"""


def test_the_first_page_loads_little_script(tmp_path: Path) -> None:
    with browser.running() as chromium, console_pages.serving(tmp_path) as (served, address):
        fill(served)
        with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
            page = console_pages.opened(person, "/")
            page.get_by_role("img").first.wait_for(state="attached")
            page.wait_for_load_state("load")
            loaded = dict(page.evaluate(LOADED))
    assert loaded, "no script was loaded at all"
    assert sum(loaded.values()) <= MOST_BYTES, sorted(loaded.items(), key=lambda one: -one[1])

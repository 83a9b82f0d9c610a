"""How long the console takes until a person can use a page, in a real Chromium, at first and once it is cached."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.benchmarks.corpora import ENGLISH, corpus_file
from tests.benchmarks.machine import data_hash, percentiles
from tests.benchmarks.options import Options
from tests.benchmarks.serving import COLLECTION, built, serve
from tests.integration.browser import context, executable, running

PAGES = {
    "overview": "/",
    "documents": f"/c/{COLLECTION}/documents",
    "search lab": f"/c/{COLLECTION}/search?q=warranty",
    "evaluation": f"/c/{COLLECTION}/evaluation",
}
VISITS = 10  # of each page, each by a browser without cache, then once more by the same
# Chromium spends most of a second of processor time on whatever a new profile needs, whether or not a page is opened;
# a person's browser has long done that.
SETTLED_MS = 2_000
QUIET_MS = 300  # without a long task and with its heading shown, a page has begun to answer its user
# A task of more than 50 ms is long (W3C Long Tasks); a page answers from the end of the last one on.
WATCH = """
window.busyUntil = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.busyUntil = Math.max(window.busyUntil, task.startTime + task.duration);
}).observe({ type: "longtask", buffered: true });
"""
SHOWN = """(quiet) => new Promise((done) => {
  let shown = 0;
  const look = () => {
    if (!shown && document.querySelector("main h1")) shown = performance.now();
    const since = Math.max(shown, window.busyUntil);
    if (shown && performance.now() - since > quiet) done(since);
    else requestAnimationFrame(look);
  };
  look();
})"""


def measure(options: Options) -> dict[str, Any]:
    """Milliseconds from the beginning of a navigation, of each page: `first` without a cache, `again` with it."""
    try:
        executable()
    except (pytest.skip.Exception, pytest.fail.Exception) as error:  # how a test says that there is no browser
        raise SystemExit(str(error)) from error
    visits = min(VISITS, options.requests)
    found: dict[str, dict[str, list[float]]] = {name: {"first": [], "again": []} for name in PAGES}
    with serve(built(options)) as served, running() as chromium:
        base = f"http://127.0.0.1:{served.port}"
        for _ in range(visits):
            for name, path in PAGES.items():
                with context(chromium, base) as person:
                    answer = person.request.post("/console/session", data={"key": served.key})
                    assert answer.ok, answer.text()
                    found[name]["first"].append(_interactive(person, path))
                    found[name]["again"].append(_interactive(person, path))
    row: dict[str, Any] = {
        name: {when: percentiles([one / 1000 for one in times]) for when, times in visited.items()}
        for name, visited in found.items()
    }
    return {
        "pages": row,
        "visits": visits,
        "chunks": options.chunks,
        "seed": 0,
        "data_sha256": data_hash([corpus_file(name) for name in ENGLISH]),
    }


def lines(row: dict[str, Any]) -> list[str]:
    """The row for people."""
    return [f"{row['chunks']} chunks, {row['visits']} visits of each page, until it answers its user"] + [
        f"{name:10} first p50 {one['first']['p50_ms']:.0f}  p95 {one['first']['p95_ms']:.0f} ms; "
        f"again p50 {one['again']['p50_ms']:.0f}  p95 {one['again']['p95_ms']:.0f} ms"
        for name, one in row["pages"].items()
    ]


def _interactive(person: BrowserContext, path: str) -> float:
    page = person.new_page()
    page.add_init_script(WATCH)
    page.wait_for_timeout(SETTLED_MS)
    page.goto(f"/console{path}", wait_until="commit")
    milliseconds = float(page.evaluate(SHOWN, QUIET_MS))
    page.close()
    return milliseconds

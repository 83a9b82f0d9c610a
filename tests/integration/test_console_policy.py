"""What a real browser makes of our headers: foreign and inline scripts do not run, cookies stay out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from playwright.sync_api import Browser
from served import Served, in_process, on_port

from api.access.sessions import COOKIE
from api.http.console_files import ConsoleFiles
from retrieval.catalog.keys import Scope

PAGE = """<!doctype html><html><head><title>begun</title></head><body>
<script>document.title = "inline"</script><img src="x" onerror="document.title = 'handler'">
<script src="/console/assets/own-1.js"></script></body></html>"""
REFUSED = "chrome-error://chromewebdata/"  # what a frame shows whose page does not want to be framed
OWN = "document.body.dataset.own = 'ran'; try { eval('document.title = \"eval\"') } catch (e) {}"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, str]]:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(PAGE)
    (dist / "assets/own-1.js").write_text(OWN)
    monkeypatch.setattr("api.services.ConsoleFiles", lambda: ConsoleFiles(dist))
    with in_process(tmp_path / "kb") as served, on_port(served) as address:
        yield served, address


def test_only_our_own_script_runs(chromium: Browser, base: tuple[Served, str]) -> None:
    with browser.context(chromium, base[1]) as person:
        page = person.new_page()
        complaints = browser.watched(page)
        page.goto("/console/")
        page.wait_for_selector("body[data-own=ran]")
        assert page.title() == "begun"
        assert sum("Content Security Policy" in one for one in complaints) >= 2, complaints


def test_no_script_reads_the_session(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with browser.context(chromium, address) as person:
        page = person.new_page()
        page.goto("/console/")
        body = {"key": served.key(Scope.READ)}
        log_in = """body => fetch('/console/session', {method: 'POST', body: JSON.stringify(body),
            headers: {'Content-Type': 'application/json'}}).then(answer => answer.status)"""
        assert page.evaluate(log_in, body) == 200
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("fetch('/v1/collections').then(answer => answer.status)") == 200
        (cookie,) = [one for one in person.cookies() if one["name"] == COOKIE]
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"


def test_another_site_can_neither_use_nor_frame_it(chromium: Browser, base: tuple[Served, str]) -> None:
    """To a browser, localhost and 127.0.0.1 are two sites; a form of one posts to the other."""
    served, address = base
    with browser.context(chromium, address) as person:
        page = person.new_page()
        page.goto("/console/")
        person.request.post("/console/session", data={"key": served.key(Scope.ADMIN)})
        assert person.request.get("/v1/keys").status == 200
        page.route(
            "http://localhost:*/**", lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html")
        )
        page.goto(address.replace("127.0.0.1", "localhost"))
        with page.expect_request("**/v1/keys") as asked:
            page.evaluate(f"fetch('{address}/v1/keys', {{credentials: 'include', mode: 'no-cors'}}).catch(() => 0)")
        assert "cookie" not in asked.value.all_headers()
        with page.expect_event("framenavigated", lambda frame: frame != page.main_frame):
            page.evaluate(
                f"document.body.append(Object.assign(document.createElement('iframe'), {{src: '{address}/console/'}}))"
            )
        assert [frame.url for frame in page.frames if frame != page.main_frame] == [REFUSED]

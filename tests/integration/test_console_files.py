"""The console's files as browsers get them: types, compression, caching, a strict policy, nothing from beside."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from served import Served, in_process
from starlette.applications import Starlette

from api.http.console_files import ConsoleFiles
from api.routes.console import add_console

SCRIPT = b"export const answer = 42;\n" * 200


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "assets/index-3f2a.js").write_bytes(SCRIPT)
    (folder / "assets/logo-11aa.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("beside")
    return folder


@pytest.fixture
def client(dist: Path) -> Iterator[TestClient]:
    app = Starlette()
    add_console(app, ConsoleFiles(dist))
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with in_process(tmp_path / "kb") as opened:
        yield opened


def test_pages_are_one_file_that_is_asked_for_again(client: TestClient) -> None:
    for path in ("/", "/console", "/console/", "/console/documents/docs", "/console/c/docs/sources/shop.v1"):
        response = client.get(path)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert response.text.startswith("<!doctype") and response.headers["cache-control"] == "no-cache"
    again = client.get("/console/", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_named_by_content_they_are_kept_for_ever(client: TestClient) -> None:
    response = client.get("/console/assets/index-3f2a.js")
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.content == SCRIPT
    assert client.get("/console/assets/logo-11aa.svg").headers["content-type"] == "image/svg+xml"


def test_scripts_come_compressed_where_that_is_understood(client: TestClient) -> None:
    with client.stream("GET", "/console/assets/index-3f2a.js", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
        assert response.headers["content-encoding"] == "gzip" and response.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == SCRIPT and len(raw) < len(SCRIPT) / 10
    plain = client.get("/console/assets/index-3f2a.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "assets/gone-0000.js",
        "gone.css",
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "assets/..%2f..%2fsecret.txt",
        "%2fetc%2fhost.conf",
        "..%5csecret.txt",
        "a%00.js",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    response = client.get(f"/console/{path}")
    assert response.status_code == 404 and "beside" not in response.text


def test_links_out_of_the_folder_are_not_followed(client: TestClient, dist: Path) -> None:
    (dist / "assets/link.txt").symlink_to(dist.parent / "secret.txt")
    assert client.get("/console/assets/link.txt").status_code == 404


def test_a_new_build_is_noticed(client: TestClient, dist: Path) -> None:
    before = client.get("/console/")
    (dist / "index.html").write_text("<!doctype html><title>anew</title>")
    os.utime(dist / "index.html", ns=(1, 1))
    after = client.get("/console/", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200 and "anew" in after.text


def test_without_a_build_it_says_what_to_run(tmp_path: Path) -> None:
    app = Starlette()
    add_console(app, ConsoleFiles(tmp_path))
    with TestClient(app) as client:
        response = client.get("/console/")
    assert response.status_code == 503 and "make console" in response.text


def test_the_policy_lets_nothing_foreign_in(served: Served) -> None:
    """Through the whole server, built or not, and for nobody in particular."""
    response = served.client.get("/console/")
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in policy["script-src"] and "*" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin" and response.headers["x-frame-options"] == "DENY"


def test_it_opens_no_other_door(served: Served) -> None:
    for path in (
        "/consol",
        "/console2",
        "/consoles/",
        "/console/../v1/collections",
        "/console%2f../v1/keys",
    ):
        response = served.client.get(path, follow_redirects=False)
        assert response.status_code in (401, 404, 503) or "<!doctype" in response.text, (path, response.text)
        assert "collections" not in response.text or response.status_code == 401
    assert served.client.post("/console/").status_code == 405
    assert served.client.put("/console/assets/x.js", content=b"x").status_code == 405

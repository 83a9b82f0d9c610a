"""A user and password inside the address of a server go to that server, and into no message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from loopback_server import QuietHandler, serving

from api.access.tokens import SigningKeys
from api.errors import ApiError
from infra.addresses import without_login
from ingest.connect.client import ConnectClient
from ingest.errors import SourceError
from retrieval.answer.endpoint import ChatEndpoint, EndpointSettings
from retrieval.errors import OutageError

SILENT = "http://admin:S3cret@127.0.0.1:9"
BASIC = "Basic YWRtaW46UzNjcmV0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://admin:S3cret@host:8083/a?b=c@d", "http://host:8083/a?b=c@d"),
        ("http://admin@host", "http://host"),
        (
            "'404' for url 'https://a:p@ss@host/x' and http://b:q@[::1]/",
            "'404' for url 'https://host/x' and http://[::1]/",
        ),
        ("http://host:8083/user@mail", "http://host:8083/user@mail"),
        ("ann@example.com", "ann@example.com"),
    ],
)
def test_logins_are_taken_out_of_urls(text: str, shown: str) -> None:
    assert without_login(text) == shown


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[str | None]]]:
    """The URL, with user and password, of a server that answers 404, and the logins that it was sent."""
    logins: list[str | None] = []

    class Refusal(QuietHandler):
        def _refuse(self) -> None:
            self.read_body()
            logins.append(self.headers["Authorization"])
            self.send_error(404)

        do_GET = do_PUT = do_POST = _refuse

    with serving(Refusal) as address:
        yield f"http://admin:S3cret@{address}", logins


def pause(url: str) -> None:
    with ConnectClient(url) as client:
        client.pause("kb-shop")


def ask(url: str) -> None:
    endpoint = ChatEndpoint(EndpointSettings(f"{url}/v1", "a-model"))
    try:
        list(endpoint.stream([{"role": "user", "content": "?"}]))
    finally:
        endpoint.close()


def fetch_keys(url: str) -> None:
    SigningKeys("https://issuer.example.com", f"{url}/jwks").get("1")


@pytest.mark.parametrize("use", [pause, ask, fetch_keys])
def test_no_message_tells_the_password(use: Callable[[str], None], refusing: tuple[str, list[str | None]]) -> None:
    url, logins = refusing
    for address in (SILENT, url):
        with pytest.raises((SourceError, OutageError, ApiError)) as caught:
            use(address)
        message = str(getattr(caught.value, "message", caught.value))
        assert "S3cret" not in message and "admin" not in message
        assert use is fetch_keys or without_login(address) in message
    assert set(logins) == {BASIC}

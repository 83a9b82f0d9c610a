"""Database URLs: every password survives, and none is ever shown."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.connect.address import DatabaseAddress
from ingest.errors import SourceError

PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=6, max_size=20)


@given(PASSWORDS)
def test_any_password_arrives_whole_and_is_not_shown(password: str) -> None:
    url = f"postgresql://reader:{quote(password, safe='')}@db.example:5433/shop?sslmode=require"
    address = DatabaseAddress.parse(url)
    assert (address.password, address.host, address.port) == (password, "db.example", 5433)
    assert address.sqlalchemy().password == password
    for shown in (repr(address), address.shown, address.plain):
        assert f":{password}@" not in shown and f":{quote(password, safe='')}@" not in shown
    assert address.shown == "postgresql://reader:***@db.example:5433/shop?sslmode=require"
    assert DatabaseAddress.parse(address.plain).with_password(password) == address


def test_what_a_driver_says_is_repeated_without_the_password() -> None:
    address = DatabaseAddress.parse("mysql://reader:pa%2Fss%40word@db/shop")
    assert address.scrub("no pa/ss@word, nor pa%2Fss%40word here") == "no ***, nor *** here"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hunter2", "cannot be read"),
        ("postgresql://u:hunter2@db:port/x", "port"),
        ("oracle://u:hunter2@db/x", "oracle://"),
        ("sqlite:////etc/passwd", "sqlite://"),
        ("postgresql://u:hunter2@db", "no database"),
        ("postgresql:///x", "no host and no user"),
        ("postgresql://u:hunter2@db/x?options=-c%20a=b", "option 'options'"),
        ("mariadb://u:hunter2@db/x?ssl_mode=maybe", "ssl_mode='maybe'"),
    ],
)
def test_what_does_not_fit_is_told_without_the_password(url: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as refused:
        DatabaseAddress.parse(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("scheme", "port"), [("postgresql", 5432), ("postgres", 5432), ("mysql", 3306), ("mariadb", 3306)]
)
def test_ports_have_the_servers_defaults(scheme: str, port: int) -> None:
    assert DatabaseAddress.parse(f"{scheme}://u:p@[::1]/x").port == port
    assert DatabaseAddress.parse(DatabaseAddress.parse(f"{scheme}://u:p@[::1]/x").plain).host == "::1"

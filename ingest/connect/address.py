"""Addresses of databases with their passwords, which appear in no text that this file makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc

from infra.hiding import HIDDEN, hide
from ingest.errors import SourceError

CONNECT_SECONDS = 5  # to a user's database, whoever asks
STATEMENT_SECONDS = 10  # for one statement there
EXAMPLE = "postgresql://user:password@host:5432/database"
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
_ENGINES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mariadb"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}  # as their documentation has them
# What may stand behind the question mark, and what it means to Debezium.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {"sslmode": "database.sslmode"},
    "mysql": {"ssl_mode": "database.ssl.mode"},
    "mariadb": {"ssl_mode": "database.ssl.mode"},
}
_SSL_MODES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "ssl_mode": ("disabled", "preferred", "required", "verify_ca", "verify_identity"),
}


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is and who we are there. Its representation does not tell the password."""

    engine: str  # postgresql, mysql or mariadb
    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> DatabaseAddress:
        """The address in a URL. Raises `SourceError`, which repeats nothing of a text that may hold a password."""
        try:
            url = sa.make_url(text)
        except exc.ArgumentError:
            raise SourceError(f"the database URL cannot be read; expected such as {EXAMPLE}") from None
        except ValueError:  # a port that is no number
            raise SourceError(f"the database URL has a port that is no number; expected such as {EXAMPLE}") from None
        engine = _ENGINES.get(url.get_backend_name())
        if engine is None:
            known = ", ".join(f"{name}://" for name in _PORTS)
            raise SourceError(f"the database URL begins with {url.drivername}://, expected one of {known}")
        missing = [name for name, value in (("host", url.host), ("user", url.username), ("database", url.database))
                   if not value]  # fmt: skip
        if missing:
            raise SourceError(f"the database URL has no {' and no '.join(missing)}; expected such as {EXAMPLE}")
        options = {name: str(value) for name, value in url.query.items()}
        _check_options(engine, options)
        port = url.port or _PORTS[engine]
        password = "" if url.password is None else str(url.password)
        return cls(engine, str(url.host), port, str(url.username), str(url.database), password, options)

    @property
    def shown(self) -> str:
        """The URL with `***` for the password."""
        return self._render(HIDDEN)

    @property
    def plain(self) -> str:
        """The URL without any password: what is stored in the clear."""
        return self._render("")

    def with_password(self, password: str) -> DatabaseAddress:
        """The same address with this password."""
        return replace(self, password=password)

    def sqlalchemy(self) -> sa.URL:
        """The address for SQLAlchemy, with the driver that is installed with this package."""
        options = dict(self.options) if self.engine == "postgresql" else {}
        return sa.URL.create(
            _DRIVERS[self.engine], self.user, self.password or None, self.host, self.port, self.database, options
        )

    def debezium_options(self) -> dict[str, str]:
        """The options as Debezium names them."""
        return {_OPTIONS[self.engine][name]: value for name, value in self.options.items()}

    def scrub(self, text: str) -> str:
        """The text with `***` wherever the password stands in it, plain or as a URL writes it."""
        return hide(text, (self.password, quote(self.password, safe="")))

    def _render(self, password: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        who = quote(self.user, safe="") + (f":{password}" if password and self.password else "")
        query = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.engine}://{who}@{host}:{self.port}/{quote(self.database, safe='')}" + (query and f"?{query}")


def _check_options(engine: str, options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name not in _OPTIONS[engine]:
            known = ", ".join(_OPTIONS[engine])
            raise SourceError(f"the database URL has the option {name!r}, expected {known} or none")
        if value not in _SSL_MODES[name]:
            raise SourceError(f"the database URL says {name}={value!r}, expected one of {', '.join(_SSL_MODES[name])}")

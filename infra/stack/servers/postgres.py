"""PostgreSQL from Debian's package, on a data folder of its own, ready for logical replication."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import ClassVar

import psycopg

from infra.stack.errors import MissingProgramError, NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch, run_once
from infra.stack.site import LOOPBACK, Means, Site

USER = "kb"
CATALOG_DATABASE = "kb_catalog"
INSTALLED = Path("/usr/lib/postgresql")
# Logical replication for Debezium: one slot and one sender for every source, and room for tests that make many.
OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may be 107 bytes long at most
    "wal_level": "logical",
    "max_replication_slots": "64",
    "max_wal_senders": "64",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
}


class Postgres:
    """The catalog's database, and the users' own."""

    name: ClassVar[str] = "postgres"
    ports: ClassVar[tuple[str, ...]] = ("postgres",)
    needs: ClassVar[tuple[str, ...]] = ()
    needs_java: ClassVar[bool] = False
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # fast shutdown: sessions are cut, files are closed
    start_seconds: ClassVar[float] = 120.0

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Nothing: it comes with the system."""
        return ()

    def prepare(self, site: Site, means: Means) -> Launch:
        """The cluster is made at the first call, with passwords and checksums on."""
        folder, data = site.server_folder(self.name), site.server_folder(self.name) / "data"
        binaries = find_binaries()
        if not (data / "PG_VERSION").exists():
            password = means.account.write(folder / "initial-password", site.password(self.name))
            command = [str(binaries / "initdb"), "-D", str(data), "-U", USER, f"--pwfile={password}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-sync"]
            try:
                run_once(command, means.account, folder, folder / "log")
            finally:
                password.unlink()
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(site.ports["postgres"]), *options]
        return Launch(command)

    def check(self, site: Site) -> None:
        """A query on the catalog's database, which is made where it is missing."""
        try:
            ensure_database(self._conninfo(site, "postgres"))
            with psycopg.connect(self._conninfo(site, CATALOG_DATABASE)) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise NotReadyError(f"PostgreSQL at {site.address('postgres')}: {str(error).strip()}") from error

    def url(self, site: Site) -> str:
        """The catalog's database as superuser `kb`."""
        password = site.password(self.name)
        return f"postgresql://{USER}:{password}@{site.address('postgres')}/{CATALOG_DATABASE}"

    def _conninfo(self, site: Site, database: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host=LOOPBACK,
            port=site.ports["postgres"],
            dbname=database,
            user=USER,
            password=site.password(self.name),
            connect_timeout=round(CHECK_SECONDS),
        )


def ensure_database(conninfo: str) -> None:
    """The catalog's database exists."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, (CATALOG_DATABASE,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {CATALOG_DATABASE}")


def find_binaries() -> Path:
    """The folder of the newest installed PostgreSQL's programs. Raises `MissingProgramError`."""
    found = [folder for folder in INSTALLED.glob("*/bin") if os.access(folder / "initdb", os.X_OK)]
    if not found:
        raise MissingProgramError("PostgreSQL is not installed; install it with: sudo infra/setup/debian.sh postgres")
    return max(found, key=lambda folder: float(folder.parent.name))

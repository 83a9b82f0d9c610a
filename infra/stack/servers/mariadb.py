"""MariaDB from Debian's package, on a data folder of its own, with a row-based binary log."""

from __future__ import annotations

import shutil
import signal
from typing import ClassVar

import pymysql

from infra.stack.errors import MissingProgramError, NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch, run_once
from infra.stack.site import LOOPBACK, Means, Site

USER = "kb"
DATABASE = "kb"
# Debezium reads whole rows from the binary log; the id names this server to replicas, connectors bring their own.
OPTIONS = (
    f"--bind-address={LOOPBACK}",
    "--socket=",  # no socket: its path may be 107 bytes long at most
    "--skip-name-resolve",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--binlog-expire-logs-seconds=604800",
    "--server-id=1",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=64M",
    "--max-connections=200",
    "--performance-schema=OFF",
)
INITIAL_SQL = """\
CREATE USER IF NOT EXISTS {user}@'{host}' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO {user}@'{host}' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4;
"""


class MariaDb:
    """A database to follow, beside PostgreSQL."""

    name: ClassVar[str] = "mariadb"
    ports: ClassVar[tuple[str, ...]] = ("mariadb",)
    needs: ClassVar[tuple[str, ...]] = ()
    needs_java: ClassVar[bool] = False
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 120.0

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Nothing: it comes with the system."""
        return ()

    def prepare(self, site: Site, means: Means) -> Launch:
        """The system tables are made at the first call; the user is made by every start, where it is missing."""
        folder, data = site.server_folder(self.name), site.server_folder(self.name) / "data"
        server, installer = find_program("mariadbd"), find_program("mariadb-install-db")
        if not (data / "mysql" / "db.frm").exists():
            command = [installer, "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve"]
            run_once([*command, "--auth-root-authentication-method=socket"], means.account, folder, folder / "log")
        password = site.password(self.name)
        sql = INITIAL_SQL.format(user=USER, host=LOOPBACK, password=password, database=DATABASE)
        script = means.account.write(folder / "initial.sql", sql)
        command = [server, "--no-defaults", f"--datadir={data}", f"--port={site.ports['mariadb']}", *OPTIONS]
        return Launch([*command, f"--init-file={script}"])

    def check(self, site: Site) -> None:
        """A query as our user, who exists once the server has run its start script."""
        try:
            with pymysql.connect(
                host=LOOPBACK,
                port=site.ports["mariadb"],
                user=USER,
                password=site.password(self.name),
                database=DATABASE,
                connect_timeout=round(CHECK_SECONDS),
                read_timeout=CHECK_SECONDS,
            ) as connection:
                connection.query("SELECT 1")
        except pymysql.Error as error:
            raise NotReadyError(f"MariaDB at {site.address('mariadb')}: {error}") from error

    def url(self, site: Site) -> str:
        """A database as user `kb`, who may make others and replicate."""
        return f"mysql://{USER}:{site.password(self.name)}@{site.address('mariadb')}/{DATABASE}"


def find_program(name: str) -> str:
    """The path of one of MariaDB's programs. Raises `MissingProgramError`."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or shutil.which(name)
    if path is None:
        raise MissingProgramError(f"`{name}` of MariaDB is not there; install it: sudo infra/setup/debian.sh servers")
    return path

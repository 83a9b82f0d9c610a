"""The stack as one thing: up, down, status, and the faults that tests inject.

`up` reads top to bottom: lock the folder, find what does not run, fetch its programs, give it ports, start it after
what it needs, all others at the same time.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from infra.stack.account import find_account, require_reachable
from infra.stack.artifacts import load_versions
from infra.stack.cache import Cache, default_cache_folder
from infra.stack.errors import StackError
from infra.stack.java import find_java
from infra.stack.progress import Progress, Silent
from infra.stack.servers.base import Server
from infra.stack.servers.table import SERVERS, with_needs
from infra.stack.site import Means, Site
from infra.stack.status import Status
from infra.stack.unit import Unit

LOCK_SECONDS = 900.0  # longest wait for another command on the same folder
VARIABLES = {
    "KB_CATALOG_URL": "postgres",
    "KB_KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "KB_CONNECT_URL": "connect",
    "KB_CONNECT_SECRETS_DIR": "connect",
    "KB_ELASTICSEARCH_URL": "elasticsearch",
    "KB_REDIS_URL": "redis",
}  # which server's address a setting is


class Stack:
    """The servers of one folder; nothing outside it is started, stopped or changed, the cache of programs aside."""

    def __init__(self, folder: Path, *, cache: Path | None = None, progress: Progress | None = None) -> None:
        self.folder = folder.absolute()
        self._cache = (cache or default_cache_folder()).absolute()
        self._progress = progress or Silent()

    def up(self, names: Iterable[str] = SERVERS, *, secure: bool | None = None) -> dict[str, Status]:
        """Start what does not run of these and what they need, wait until all answer, and tell where they are.

        `secure` asks for a password of Elasticsearch, from its next start on. Raises `StackError`; what did start
        keeps running.
        """
        chosen = with_needs(names)
        with self._locked():
            site = Site.open(self.folder)
            site.secure = site.secure if secure is None else secure
            units = {server.name: Unit(server, site) for server in chosen}
            missing = [server for server in chosen if not units[server.name].running()]
            means = self._means(missing)
            self._take_ports(site, missing)
            for server in chosen:
                site.password(server.name)
            site.save()
            self._start(units, missing, means)
        return {name: units[name].status() for name in units}

    def status(self) -> dict[str, Status]:
        """Every server of the stack, started or not; they are asked at the same time."""
        units = self._units()
        with ThreadPoolExecutor(max_workers=len(units)) as pool:
            return {status.name: status for status in pool.map(Unit.status, units.values())}

    def down(self, names: Iterable[str] = SERVERS, *, politely: bool = True) -> list[str]:
        """Stop what was started of these, those first that need others; what comes back are the stopped ones.

        `politely=False` kills them at once, for data that nobody wants any more.
        """
        wanted = set(names)
        if not self.folder.is_dir():
            return []
        with self._locked():
            units = self._units()
            stopped = []
            for server in reversed(with_needs(SERVERS)):
                if server.name in wanted and units[server.name].stop(politely=politely):
                    self._progress.step(server.name, "stopped")
                    stopped.append(server.name)
        return stopped

    def purge(self) -> None:
        """Stop everything and remove the folder with all data. Raises `StackError` where it is not a stack's."""
        if not self.folder.is_dir():
            return
        if not (self.folder / "stack.json").exists():
            raise StackError(f"{self.folder} holds no stack.json, so it is not a stack's folder; nothing was removed")
        self.down(politely=False)
        shutil.rmtree(self.folder)

    def env(self) -> dict[str, str]:
        """The settings that point every command at the servers that were ever started, by variable."""
        units = self._units()
        url = {name: unit.server.url(unit.site) for name, unit in units.items() if unit.has_address}
        settings = {variable: url[name] for variable, name in VARIABLES.items() if name in url}
        if "KB_CATALOG_URL" in settings:
            settings["KB_CATALOG_URL"] = url["postgres"].replace("postgresql:", "postgresql+psycopg:", 1)
        if "KB_CONNECT_SECRETS_DIR" in settings:
            settings["KB_CONNECT_SECRETS_DIR"] = str(self.folder / "connect-secrets")
        return settings

    def url(self, name: str) -> str:
        """Where one server is, with user and password where it has them."""
        unit = self._unit(name)
        return unit.server.url(unit.site)

    def restart(self, name: str) -> None:
        """Stop one server and start it again, at the same address; also after `kill`. Comes back once it answers."""
        self.down([name])
        self.up([name])

    def kill(self, name: str) -> None:
        """End one server's processes with SIGKILL, as a crash would."""
        self._unit(name).kill()

    def pause(self, name: str) -> None:
        """Freeze one server's processes (SIGSTOP): connections stay open and nothing answers."""
        self._unit(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._unit(name).signal(signal.SIGCONT)

    def _unit(self, name: str) -> Unit:
        with_needs([name])  # names the servers there are, where this is none of them
        return self._units()[name]

    def _units(self) -> dict[str, Unit]:
        site = Site.open(self.folder)
        return {name: Unit(server, site) for name, server in SERVERS.items()}

    def _means(self, missing: list[Server]) -> Means:
        account = find_account()
        require_reachable(self.folder, account)
        java = find_java() if any(server.needs_java for server in missing) else None
        names = dict.fromkeys(name for server in missing for name in server.artifacts(java))
        if java is not None and "elasticsearch-8" in names:
            self._progress.step(
                "elasticsearch", f"version 8, since the best Java here is {java.version} in {java.home}"
            )
        programs = Cache(self._cache, load_versions(), self._progress).get(names)
        (self.folder / "programs").mkdir(exist_ok=True)
        return Means(account, java, programs)

    def _take_ports(self, site: Site, missing: list[Server]) -> None:
        moved = site.take_ports(port for server in missing for port in server.ports)
        for name, before in moved.items():
            self._progress.step(name, f"port {before} is taken by another program; now {site.ports[name]}")

    def _start(self, units: dict[str, Unit], missing: list[Server], means: Means) -> None:
        futures: dict[str, Future[None]] = {}

        def start(unit: Unit) -> None:
            for need in unit.server.needs:
                futures[need].result()
            if unit.server in missing:
                unit.start(means, self._progress)
            else:
                unit.wait_until_ready()

        with ThreadPoolExecutor(max_workers=len(units)) as pool:
            for name, unit in units.items():
                futures[name] = pool.submit(start, unit)
        failures = [error for future in futures.values() if (error := future.exception()) is not None]
        for error in failures:
            if not isinstance(error, StackError):
                raise error
        if failures:
            raise type(failures[0])("\n".join(dict.fromkeys(str(error) for error in failures))) from failures[0]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder / "lock", timeout=LOCK_SECONDS)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise StackError(
                f"another command has been working on {self.folder} for {LOCK_SECONDS:.0f} s; wait for it, or end it"
            ) from error
        except OSError as error:
            raise StackError(
                f"the folder {self.folder} cannot be used ({error.strerror}); choose another place with --folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

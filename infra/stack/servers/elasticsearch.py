"""Elasticsearch on one node, kept small; version 9 on a full JDK 21 or newer, else version 8."""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import signal
from pathlib import Path
from typing import ClassVar

import httpx

from infra.stack.account import PRIVATE_FILE
from infra.stack.errors import NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch
from infra.stack.servers.kafka import programs
from infra.stack.site import LOOPBACK, Means, Site

HEAP_MB = 768
USER = "kb"
HASH_ROUNDS = 10_000  # the server's own default for PBKDF2
READY_INDEX = "kb-stack-ready"
# Disk watermarks would make indexes read-only on a developer's full disk.
CONFIGURATION = """\
cluster.name: kb-stack
node.name: kb-stack
path.data: {data}
path.logs: {logs}
network.host: {host}
http.port: {http}
transport.port: {transport}
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: {secure}
action.destructive_requires_name: true
"""
# One collector thread fits two cores; dumps and collector logs would fill a developer's disk.
SERVER_OPTIONS = ("-XX:+UseSerialGC", f"-Xms{HEAP_MB}m", f"-Xmx{HEAP_MB}m")
REPLACED_OPTIONS = ("-XX:+UseG1GC", "-XX:+HeapDump", "-XX:HeapDumpPath", "-XX:ErrorFile", "-Xlog", "#")
# The launcher beside the server needs next to nothing.
LAUNCHER_OPTIONS = "-Xmx32m -XX:TieredStopAtLevel=1"


class Elasticsearch:
    """The views' server where they do not lie beside the API."""

    name: ClassVar[str] = "elasticsearch"
    ports: ClassVar[tuple[str, ...]] = ("elasticsearch", "elasticsearch-transport")
    needs: ClassVar[tuple[str, ...]] = ()
    needs_java: ClassVar[bool] = True
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 300.0  # a machine busy with other things starts a JVM slowly

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Version 9, or 8 where the Java is too old or not whole."""
        return ("elasticsearch-9",) if java is not None and java.runs_elasticsearch_9 else ("elasticsearch-8",)

    def prepare(self, site: Site, means: Means) -> Launch:
        """Its configuration folder is made anew; where security is on, its file of users names ours."""
        folder = site.server_folder(self.name)
        home = programs(site, means, *self.artifacts(means.java))
        logs, data = means.account.folder(folder / "logs"), means.account.folder(folder / "data")
        configuration = means.account.folder(folder / "config")
        log_settings = shutil.copyfile(home / "config/log4j2.properties", configuration / "log4j2.properties")
        means.account.own(log_settings, PRIVATE_FILE)
        means.account.write(configuration / "jvm.options", jvm_options_file(home / "config/jvm.options"))
        text = CONFIGURATION.format(
            data=data,
            logs=logs,
            host=LOOPBACK,
            http=site.ports["elasticsearch"],
            transport=site.ports["elasticsearch-transport"],
            secure=str(site.secure).lower(),
        )
        means.account.write(configuration / "elasticsearch.yml", text)
        means.account.write(configuration / "users", f"{USER}:{hashed(site.password(self.name))}\n")
        means.account.write(configuration / "users_roles", f"superuser:{USER}\n")
        for name in ("logs", "plugins"):  # version 8 looks for them in its home
            (home / name).mkdir(exist_ok=True)
        assert means.java is not None
        environment = {
            "ES_JAVA_HOME": str(means.java.home),
            "ES_PATH_CONF": str(configuration),
            "CLI_JAVA_OPTS": LAUNCHER_OPTIONS,
        }
        return Launch([str(home / "bin" / "elasticsearch")], environment)

    def check(self, site: Site) -> None:
        """The node's health is yellow or better, and a document can be written."""
        where = f"Elasticsearch at {site.address('elasticsearch')}"
        try:
            with httpx.Client(base_url=self.url(site), timeout=CHECK_SECONDS, trust_env=False) as client:
                health = client.get("/_cluster/health", params={"wait_for_status": "yellow", "timeout": "3s"})
                health.raise_for_status()
                client.put(f"/{READY_INDEX}/_doc/1", json={"ready": True}).raise_for_status()
        except (httpx.HTTPError, ValueError) as error:
            raise NotReadyError(f"{where}: {error!r}") from error

    def url(self, site: Site) -> str:
        """The HTTP address, with user and password where security is on."""
        user = f"{USER}:{site.password(self.name)}@" if site.secure else ""
        return f"http://{user}{site.address('elasticsearch')}"


def jvm_options_file(original: Path) -> str:
    """The server's own options for its JVM, with ours in place of those on collector, dumps and logs."""
    lines = original.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.strip() and not line.startswith(REPLACED_OPTIONS)]
    return "\n".join([*kept, *SERVER_OPTIONS, ""])


def hashed(password: str) -> str:
    """A password as the server's file of users has it: PBKDF2 with SHA-512, 32 bytes of salt and of hash."""
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, dklen=32)
    return f"{{PBKDF2}}{HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"

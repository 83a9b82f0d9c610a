"""Kafka Connect with Debezium's connectors, distributed mode: connectors and offsets survive a restart."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

import httpx

from infra.stack.errors import NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch, jvm_options
from infra.stack.servers.kafka import class_path, log_format, programs
from infra.stack.site import Means, Site

HEAP_MB = 512
PLUGINS = ("debezium-connector-postgres", "debezium-connector-mysql", "debezium-connector-mariadb")
CONNECTORS = frozenset(
    {
        "io.debezium.connector.postgresql.PostgresConnector",
        "io.debezium.connector.mysql.MySqlConnector",
        "io.debezium.connector.mariadb.MariaDbConnector",
    }
)
# scheduled.rebalance.max.delay.ms: a restarted worker takes its connectors back at once, not after five minutes.
# offset.flush.interval.ms: what a crash delivers again, and what a slot keeps, is two seconds of changes.
CONFIGURATION = """\
bootstrap.servers={kafka}
group.id=kb-connect
listeners=http://{rest}
rest.advertised.host.name=127.0.0.1
plugin.path={plugins}
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=kb-connect-configs
config.storage.replication.factor=1
offset.storage.topic=kb-connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=4
status.storage.topic=kb-connect-status
status.storage.replication.factor=1
status.storage.partitions=2
offset.flush.interval.ms=2000
scheduled.rebalance.max.delay.ms=0
session.timeout.ms=6000
heartbeat.interval.ms=2000
connector.client.config.override.policy=All
config.providers=file,directory,env
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.file.param.allowed.paths={secrets}
config.providers.directory.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
config.providers.directory.param.allowed.paths={secrets}
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=^KB_CONNECT_.*
"""


class Connect:
    """Where the connectors run that turn changes in databases into events."""

    name: ClassVar[str] = "connect"
    ports: ClassVar[tuple[str, ...]] = ("connect",)
    needs: ClassVar[tuple[str, ...]] = ("kafka",)
    needs_java: ClassVar[bool] = True
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 300.0  # a machine busy with other things starts a JVM slowly

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Kafka's jars and the three connectors."""
        return ("kafka", *PLUGINS)

    def prepare(self, site: Site, means: Means) -> Launch:
        """Plugins are put side by side; the folder of secrets is ours to write and the server's to read."""
        folder = site.server_folder(self.name)
        plugins = [str(programs(site, means, name)) for name in PLUGINS]
        secrets = site.folder / "connect-secrets"
        secrets.mkdir(exist_ok=True)
        os.chown(secrets, os.geteuid(), means.account.gid)
        secrets.chmod(0o2750)  # setgid: files made here are the server's group's to read
        text = CONFIGURATION.format(
            kafka=site.address("kafka"), rest=site.address("connect"), plugins=",".join(plugins), secrets=secrets
        )
        configuration = means.account.write(folder / "connect.properties", text)
        command = [means.launcher(), "-cp", class_path(site, means), *jvm_options(HEAP_MB), *log_format()]
        return Launch([*command, "org.apache.kafka.connect.cli.ConnectDistributed", str(configuration)])

    def check(self, site: Site) -> None:
        """The three connectors are listed, and the worker is in its group: it can tell its connectors."""
        try:
            with httpx.Client(base_url=self.url(site), timeout=CHECK_SECONDS, trust_env=False) as client:
                listed = client.get("/connector-plugins").raise_for_status().json()
                client.get("/connectors").raise_for_status()
        except (httpx.HTTPError, ValueError) as error:
            raise NotReadyError(f"Kafka Connect at {self.url(site)}: {error!r}") from error
        missing = CONNECTORS - {plugin["class"] for plugin in listed}
        if missing:
            raise NotReadyError(f"Kafka Connect at {self.url(site)} does not list {', '.join(sorted(missing))}")

    def url(self, site: Site) -> str:
        """The REST address."""
        return f"http://{site.address('connect')}"

"""Kafka in KRaft mode: one process that is broker and controller, kept small."""

from __future__ import annotations

import base64
import signal
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from infra.stack.errors import MissingProgramError, NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch, jvm_options, run_once
from infra.stack.site import LOOPBACK, Means, Site, link_tree

HEAP_MB = 320
READY_TOPIC = "kb-stack-ready"
# One node: every internal topic has one replica, and few partitions, which start faster.
CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
auto.create.topics.enable=true
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
log.segment.bytes=67108864
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
num.network.threads=2
num.io.threads=4
"""


class Kafka:
    """The log between the databases and the workers."""

    name: ClassVar[str] = "kafka"
    ports: ClassVar[tuple[str, ...]] = ("kafka", "kafka-controller")
    needs: ClassVar[tuple[str, ...]] = ()
    needs_java: ClassVar[bool] = True
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 300.0  # a machine busy with other things starts a JVM slowly

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Kafka's jars, Connect's among them."""
        return ("kafka",)

    def prepare(self, site: Site, means: Means) -> Launch:
        """The log folder is formatted at the first call; the configuration is written by every one."""
        folder = site.server_folder(self.name)
        data = means.account.folder(folder / "data")
        text = CONFIGURATION.format(
            broker=site.address("kafka"), controller=site.address("kafka-controller"), data=data
        )
        configuration = means.account.write(folder / "server.properties", text)
        java = [means.launcher(), "-cp", class_path(site, means)]
        if not (data / "meta.properties").exists():
            command = [*java, *jvm_options(128), "kafka.tools.StorageTool", "format"]
            run_once([*command, "-t", cluster_id(), "-c", str(configuration)], means.account, folder, folder / "log")
        command = [*java, *jvm_options(HEAP_MB), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *log_format()]
        return Launch([*command, "kafka.Kafka", str(configuration)])

    def check(self, site: Site) -> None:
        """A record written to a topic and confirmed."""
        producer_class, kafka_error = _client()
        try:  # first the cheap question, since the client would log its retries
            socket.create_connection((LOOPBACK, site.ports["kafka"]), timeout=CHECK_SECONDS).close()
            wait_ms = round(CHECK_SECONDS * 1000)
            producer = producer_class(bootstrap_servers=site.address("kafka"), acks="all", max_block_ms=wait_ms)
            try:
                producer.send(READY_TOPIC, b"ready").get(timeout=CHECK_SECONDS)
            finally:
                producer.close(timeout=CHECK_SECONDS)
        except (OSError, kafka_error) as error:
            raise NotReadyError(f"Kafka at {site.address('kafka')}: {error!r}") from error

    def url(self, site: Site) -> str:
        """The bootstrap server, host:port."""
        return site.address("kafka")


def class_path(site: Site, means: Means) -> str:
    """All jars of Kafka and Connect."""
    return str(programs(site, means, "kafka") / "*")


def programs(site: Site, means: Means, name: str) -> Path:
    """The folder of a fetched program, where the servers' account may read it."""
    cached = means.programs[name]
    return link_tree(cached, site.folder / "programs" / cached.name)


def cluster_id(draw: Callable[[], bytes] = lambda: uuid.uuid4().bytes) -> str:
    """A random cluster id as Kafka wants it: 16 bytes, URL-safe base64 without padding, from `draw`.

    Never one that begins with a dash, which one in 64 would: the tool that formats the log takes it for an option.
    Kafka's own `Uuid.randomUuid` does the same.
    """
    while (drawn := base64.urlsafe_b64encode(draw()).rstrip(b"=").decode()).startswith("-"):
        pass
    return drawn


def log_format() -> list[str]:
    """Options that give every log line its time."""
    names = {"showDateTime": "true", "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"}
    return [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in names.items()]


def _client() -> tuple[type, type[Exception]]:
    """The producer of kafka-python and its root error. Raises `MissingProgramError` without the extra."""
    try:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
    except ImportError as error:
        raise MissingProgramError(
            "kafka-python is not installed; install the extra: pip install 'autoglm-kb[cluster]'"
        ) from error
    return KafkaProducer, KafkaError

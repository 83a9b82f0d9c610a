"""Members of a consumer group on a real Kafka: every partition is read by one of them, however slow the others are."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import change_events
import pytest
from stack import StackOf
from waiting import eventually

from ingest.kafka.consumer import GroupConsumer
from retrieval.catalog.offsets import Partition

pytestmark = [pytest.mark.server, pytest.mark.slow]

PARTITIONS = 4
POLL_MS = 50  # shorter than any join that waits for a busy member


@pytest.fixture
def servers(stack_of: StackOf) -> str:
    return stack_of("kafka").url("kafka")


@pytest.fixture
def members(servers: str) -> Iterator[tuple[GroupConsumer, GroupConsumer]]:
    group = f"kb-test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        one, two = (stack.enter_context(closing(GroupConsumer(servers, group))) for _ in range(2))
        yield one, two


def new_topics(servers: str, count: int) -> list[str]:
    """Topics whose every partition holds one message."""
    topics = [f"kb-test-{secrets.token_hex(4)}" for _ in range(count)]
    change_events.make_topics(servers, topics, PARTITIONS)
    with change_events.producer(servers) as producer:
        for topic in topics:
            for number in range(PARTITIONS):
                producer.send(topic, value=b"{}", partition=number)
    return topics


class Reader:
    """A member that is polled by a thread of its own, as workers are, and knows of no stored offsets."""

    def __init__(self, member: GroupConsumer) -> None:
        self.member = member
        self.topics: list[str] = []
        self.found: set[Partition] = set()
        self.is_busy = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopping = threading.Event()

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        read: list[str] = []
        while not self._stopping.wait(0.005):
            if self.is_busy:
                continue
            if self.topics != read:
                read = list(self.topics)
                self.member.subscribe(read)
            self.found |= {message.stream for message in self.member.poll(POLL_MS, 1_000)}
            for partition in sorted(self.member.unplaced):
                self.member.place(partition, None)


def test_a_topic_that_is_added_while_another_member_is_busy_is_read(
    servers: str, members: tuple[GroupConsumer, GroupConsumer]
) -> None:
    first, second = new_topics(servers, 2)
    with Reader(members[0]) as one, Reader(members[1]) as other:

        def shared(topics: list[str]) -> bool:
            wanted = {(topic, number) for topic in topics for number in range(PARTITIONS)}
            halves = len(one.member.assigned) == len(other.member.assigned) == len(wanted) // 2
            return halves and one.found | other.found == wanted

        one.topics = other.topics = [first]
        eventually(lambda: shared([first]), what="each reads half of the first topic")
        other.is_busy = True
        one.topics = [first, second]
        time.sleep(2.0)  # the join of the one waits for the other
        other.topics, other.is_busy = [first, second], False
        eventually(lambda: shared([first, second]), what="each reads half of both topics")

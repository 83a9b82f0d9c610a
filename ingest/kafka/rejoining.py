"""Keeps kafka-python from forgetting a group that it is about to join.

The library joins in a task and waits for it inside `poll`. Where a join takes longer than one poll, the next must wait
for the same task; but a join that a changed subscription or changed partitions began counts as done from the moment it
is sent. Nobody takes its result then: no partition is assigned, no heartbeat is sent, the broker throws the member out
after the session's time-out, and `poll` returns nothing for ever (seen with 3.0.0 to 3.0.12). Any second worker that
is busy with a batch makes a join take that long.
"""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger(__name__)


WAIT_MS = 1_000  # how late a stop is noticed meanwhile; a join that ends between two waits would begin anew


def keep_joining(consumer: Any) -> None:
    """Wait a while for the join that the last `poll` of this `KafkaConsumer` left unfinished, if it did.

    Raises `KafkaError` where the group cannot be joined.
    """
    from kafka.structs import MemberState

    if consumer.group_metadata().state == MemberState.REBALANCING:
        logger.debug("the group is still being joined")
        consumer._coordinator.request_rejoin()
        consumer._coordinator.ensure_active_group(timeout_ms=WAIT_MS)

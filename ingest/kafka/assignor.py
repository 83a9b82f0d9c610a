"""Which member of the group reads which partition.

The library's round-robin fails where members read different topics (a `KeyError`, seen with 3.0.0 to 3.0.12), as two
workers do for a second whenever a source begins or ends: they look each for itself which sources are live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from kafka.coordinator.assignors.abstract import ConsumerProtocolAssignment
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor


class EvenAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]  # the library ships no types
    """Each partition goes to the member that has fewest by then, of those that read its topic.

    Members that read the same topics get what the library's round-robin gives them, under whose name this one joins:
    workers of both kinds may be in one group.
    """

    @classmethod
    def assign(cls, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Assignment by member, of the partitions that the cluster's metadata knows."""
        topics = {member.member_id: frozenset(member.metadata.topics) for member in members}
        given: dict[str, dict[str, list[int]]] = {member: defaultdict(list) for member in sorted(topics)}
        counts = dict.fromkeys(given, 0)
        for topic in sorted(frozenset().union(*topics.values())):
            readers = [member for member in given if topic in topics[member]]
            for number in sorted(cluster.partitions_for_topic(topic) or ()):  # known later: then all is dealt again
                chosen = min(readers, key=counts.__getitem__)
                given[chosen][topic].append(number)
                counts[chosen] += 1
        return {
            member: ConsumerProtocolAssignment(cls.version, sorted(dealt.items()), b"")
            for member, dealt in given.items()
        }

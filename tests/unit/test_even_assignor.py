"""Partitions dealt to the members of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

pytest.importorskip("kafka")
from ingest.kafka.assignor import EvenAssignor


@dataclass
class Subscription:
    topics: Sequence[str]


@dataclass
class Member:
    member_id: str
    metadata: Subscription
    group_instance_id: None = None


class Cluster:
    """What the metadata says of topics."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions[topic])) if topic in self._partitions else None


def dealt(partitions: Mapping[str, int], **topics: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
    members = [Member(name, Subscription(mine)) for name, mine in topics.items()]
    found = EvenAssignor.assign(Cluster(partitions), members)
    return {
        name: {(topic, number) for topic, numbers in one.assigned_partitions for number in numbers}
        for name, one in found.items()
    }


def test_members_that_read_the_same_share_evenly() -> None:
    found = dealt({"a": 4, "b": 1, "c": 1}, one=["a", "b", "c"], two=["c", "b", "a"])
    assert {len(mine) for mine in found.values()} == {3}
    assert found["one"] | found["two"] == {("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("c", 0)}


def test_a_member_that_knows_a_source_not_yet_gets_none_of_it() -> None:
    """The first and the last of the members, whichever is asked first."""
    for late in ("a-late", "z-late"):
        found = dealt({"old": 2, "new": 2}, **{late: ["old"], "member": ["old", "new"]})
        assert {topic for topic, _ in found[late]} == {"old"}
        assert {("new", 0), ("new", 1)} <= found["member"]
        assert len(found[late]) + len(found["member"]) == 4
    assert dealt({"new": 2}, idle=[], member=["new"]) == {"idle": set(), "member": {("new", 0), ("new", 1)}}


def test_topics_that_the_metadata_does_not_know_yet_are_left_out() -> None:
    assert dealt({"a": 1}, one=["a", "unknown"]) == {"one": {("a", 0)}}
    assert dealt({}, one=[]) == {"one": set()}

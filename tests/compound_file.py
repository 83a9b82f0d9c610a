"""Writes compound files, the containers of old Office files and Outlook messages, for tests of their parsers."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR, MINI = 512, 64
CUTOFF = 4096  # bytes; smaller streams share sectors
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


@dataclass
class _Node:
    name: str
    data: bytes | None = None  # None: a folder
    children: dict[str, _Node] = field(default_factory=dict)
    number: int = 0
    left: int = FREE
    right: int = FREE
    child: int = FREE
    start: int = END
    size: int = 0


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """A file with these streams, by their path in it ("folder/stream")."""
    root = _Node("Root Entry")
    for path, data in streams.items():
        *folders, name = path.split("/")
        node = root
        for folder in folders:
            node = node.children.setdefault(folder, _Node(folder))
        node.children[name] = _Node(name, data)
    nodes = [root]
    _number(root, nodes)
    sectors, minis = _Chains(SECTOR), _Chains(MINI)
    for node in nodes:
        if node.data is not None:
            node.size = len(node.data)
            node.start = (minis if node.size < CUTOFF else sectors).add(node.data)
    root.start, root.size = sectors.add(minis.data), len(minis.data)
    mini_fat = sectors.add(_numbers(minis.following))
    directory = sectors.add(b"".join(map(_entry, nodes)))
    fats = 1
    while (len(sectors.following) + fats) * 4 > fats * SECTOR:
        fats += 1
    first = len(sectors.following)
    fat = sectors.following + [FAT] * fats
    fat += [FREE] * (fats * SECTOR // 4 - len(fat))
    header = struct.pack("<8s16x5H6x", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6)
    minis_sectors = len(minis.following) * 4 // SECTOR + 1
    header += struct.pack("<10I", 0, fats, directory, 0, CUTOFF, mini_fat, minis_sectors, END, 0, first)
    header += _numbers([*range(first + 1, first + fats), *[FREE] * (109 - fats)])
    return header + sectors.data + _numbers(fat)


class _Chains:
    def __init__(self, size: int) -> None:
        self._size = size
        self.data = b""
        self.following: list[int] = []

    def add(self, data: bytes) -> int:
        """The number of the first sector."""
        count = -(-len(data) // self._size)
        if not count:
            return END
        first = len(self.following)
        self.following += [*range(first + 1, first + count), END]
        self.data += data.ljust(count * self._size, b"\0")
        return first


def _number(folder: _Node, nodes: list[_Node]) -> None:
    children = sorted(folder.children.values(), key=lambda child: (len(child.name), child.name.upper()))
    for child in children:
        child.number = len(nodes)
        nodes.append(child)
    folder.child = _balanced(children)
    for child in children:
        _number(child, nodes)


def _balanced(nodes: list[_Node]) -> int:
    if not nodes:
        return FREE
    middle = len(nodes) // 2
    nodes[middle].left, nodes[middle].right = _balanced(nodes[:middle]), _balanced(nodes[middle + 1 :])
    return nodes[middle].number


def _entry(node: _Node) -> bytes:
    name = node.name.encode("utf-16-le") + b"\0\0"
    kind = 5 if not node.number else 1 if node.data is None else 2
    start = 0 if kind == 1 else node.start
    links = (node.left, node.right, node.child)
    return struct.pack("<64sHBB3I36xIQ", name, len(name), kind, 1, *links, start, node.size)


def _numbers(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)

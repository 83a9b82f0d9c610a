"""Named implementations of one protocol, with built-ins in a visible table and third parties by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Generic, TypeVar

T = TypeVar("T")

ENTRY_POINT_GROUP = "autoglm_kb"  # a third party declares [project.entry-points."autoglm_kb.<kind>"]


class RegistryError(LookupError):
    """A name is unknown to the registry, or is taken already."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One registered implementation: its name, what builds it, one line of description, where it came from."""

    name: str
    build: Callable[..., T]
    summary: str
    origin: str


class Registry(Generic[T]):
    """Maps names to factories of `T`; the factory runs (and imports heavy packages) only in `create`.

    >>> COLOURS: Registry[str] = Registry("colour")
    >>> COLOURS.register("red", lambda: "#f00", "the first colour")
    >>> COLOURS.create("red")
    '#f00'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}
        self._entry_points_read = False

    def register(self, name: str, build: Callable[..., T], summary: str = "", *, origin: str = "built-in") -> None:
        """Add an implementation. Raises `RegistryError` when the name is taken."""
        if name in self._entries:
            taken_by = self._entries[name].origin
            raise RegistryError(
                f"{self.kind} {name!r} is registered already (by {taken_by}); choose another name or unregister it"
            )
        self._entries[name] = Entry(name, build, summary, origin)

    def unregister(self, name: str) -> None:
        """Remove an implementation. Raises `RegistryError` when it is unknown."""
        self.entry(name)
        del self._entries[name]

    def entry(self, name: str) -> Entry[T]:
        """The entry of that name. Raises `RegistryError` naming the known ones."""
        self._read_entry_points()
        if name not in self._entries:
            known = ", ".join(sorted(self._entries)) or "none"
            raise RegistryError(f"unknown {self.kind} {name!r}; known: {known}")
        return self._entries[name]

    def create(self, name: str, *args: object, **kwargs: object) -> T:
        """Build the implementation of that name with these arguments."""
        return self.entry(name).build(*args, **kwargs)

    def __iter__(self) -> Iterator[Entry[T]]:
        """All entries, by name."""
        self._read_entry_points()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        self._read_entry_points()
        return name in self._entries

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for point in metadata.entry_points(group=f"{ENTRY_POINT_GROUP}.{self.kind}"):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "entry point"
            self.register(point.name, self._loader(point), point.value, origin=origin)

    def _loader(self, point: metadata.EntryPoint) -> Callable[..., T]:
        def build(*args: object, **kwargs: object) -> T:
            factory: Callable[..., T] = point.load()
            return factory(*args, **kwargs)

        return build

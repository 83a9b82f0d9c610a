"""Names map to factories that run only when asked; unknown and taken names are explained."""

from __future__ import annotations

from importlib import metadata

import pytest

from infra.registry import Registry, RegistryError


def test_creates_by_name_and_lists_in_order() -> None:
    colours: Registry[str] = Registry("colour")
    colours.register("red", lambda: "#f00", "warm")
    colours.register("blue", lambda shade="": f"blue{shade}", "cold")
    assert colours.create("blue", shade="!") == "blue!"
    assert [entry.name for entry in colours] == ["blue", "red"]
    assert "red" in colours and "green" not in colours


def test_unknown_names_tell_the_known_ones() -> None:
    colours: Registry[str] = Registry("colour")
    colours.register("red", lambda: "#f00")
    with pytest.raises(RegistryError, match="unknown colour 'green'; known: red"):
        colours.create("green")


def test_a_taken_name_is_refused_until_it_is_given_up() -> None:
    colours: Registry[str] = Registry("colour")
    colours.register("red", lambda: "1")
    with pytest.raises(RegistryError, match="registered already"):
        colours.register("red", lambda: "2")
    colours.unregister("red")
    colours.register("red", lambda: "2")
    assert colours.create("red") == "2"


def test_third_parties_are_found_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("dict", "builtins:dict", "autoglm_kb.thing")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "autoglm_kb.thing" else [])
    things: Registry[dict[str, int]] = Registry("thing")
    assert things.create("dict", a=1) == {"a": 1}

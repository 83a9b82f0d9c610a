"""Whatever may be asked of a run over REST or on the command line may be asked in Python."""

from __future__ import annotations

import inspect
from dataclasses import fields

from search_core.request import Request
from search_core.trainer import AutoModelTrainer

HANDED_ON = {"against", "earlier_runs", "earlier_tests", "timed", "space_text"}  # to runs that repeat others


def test_every_wish_of_a_request_is_a_parameter_with_the_same_default() -> None:
    parameters = inspect.signature(AutoModelTrainer).parameters
    wishes = {field.name: field.default for field in fields(Request) if field.name not in HANDED_ON}
    assert wishes.keys() - parameters.keys() == set()
    differing = {name for name, default in wishes.items() if parameters[name].default != default}
    assert differing == {"collection"}, "without a name the only collection there is"

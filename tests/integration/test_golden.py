"""The recorded messages are still what connectors send: the recorder's script on live servers, judged the same way."""

from __future__ import annotations

import pytest
from golden.messages import differences, load_oracle
from golden.record import ENGINES, record
from stack import StackOf

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.mark.parametrize("engine", ENGINES)
def test_live_connectors_say_what_the_database_says(engine: str, stack_of: StackOf) -> None:
    recording = record(stack_of(engine, "kafka", "connect"), engine)
    assert recording.oracle[0] == load_oracle(engine)[0], "the types by which a live source reads are those recorded"
    for form in ("ours", "schema"):
        assert differences(engine, form, recording.messages[form], recording.oracle) == []

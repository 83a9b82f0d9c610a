"""Every built-in policy keeps the contract; its trajectory depends on nothing but its seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from search_core.policy import POLICIES, Policy
from search_core.spaces.space import SearchSpace
from search_core.testing import WIDE, Create, PolicyContract, run

# what torch_geometric and optuna deprecate of torch while they load is not ours to mend
pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
]
NAMES = ("random", "even", "grid", "evolution", "tpe", "controller")
NEEDS = {"tpe": ("optuna",), "controller": ("torch", "torch_geometric")}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) if name in NEEDS else name for name in NAMES])
def name(request: pytest.FixtureRequest) -> str:
    for package in NEEDS.get(request.param, ()):
        pytest.importorskip(package, reason='needs "autoglm-kb[train]"')
    return str(request.param)


class TestBuiltIn(PolicyContract):
    @pytest.fixture
    def create(self, name: str) -> Create:
        def made(space: SearchSpace, seed: int) -> Policy:
            return POLICIES.create(name, space, seed)

        return made


SCRIPT = """
import json, sys
from search_core.policy import POLICIES
from search_core.testing import WIDE, run
print(json.dumps([t.architecture.digest for t in run(POLICIES.create(sys.argv[1], WIDE, 3), 28)]))
"""


def test_another_process_asks_alike(name: str) -> None:
    """With other hash seeds and another number of threads."""
    environment = os.environ | {"PYTHONHASHSEED": "17", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, name]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    here = run(POLICIES.create(name, WIDE, 3), 28)
    assert json.loads(told) == [trial.architecture.digest for trial in here]

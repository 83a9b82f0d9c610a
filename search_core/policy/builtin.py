"""The table of built-in policies; their packages are imported when one is created."""

from __future__ import annotations

from importlib import import_module

from search_core.errors import PolicyError
from search_core.policy.contract import NO_BRIEFING, POLICIES, Briefing, Policy
from search_core.spaces.space import SearchSpace

_BUILT_IN = (
    ("random", "search_core.policy.plain", "RandomDraws", "even draws, nothing twice"),
    ("even", "search_core.policy.plain", "EvenDraws", "even draws over whole architectures"),
    ("grid", "search_core.policy.plain", "Grid", "every architecture once, evenly spread from the first on"),
    ("evolution", "search_core.policy.evolution", "Evolution", "regularised evolution (Real et al. 2019)"),
    ("tpe", "search_core.policy.tpe", "TreeParzen", "tree-structured Parzen estimators (Optuna)"),
    ("controller", "search_core.policy.controller", "Controller", "graph network with value head, by reinforcement"),
)


def register() -> None:
    """Enter the built-in policies into `POLICIES`."""
    for name, module, kind, summary in _BUILT_IN:
        POLICIES.register(name, _Lazy(module, kind), summary)


class _Lazy:
    """Creates a policy of a module that is imported then."""

    def __init__(self, module: str, kind: str) -> None:
        self._module = module
        self._kind = kind

    def __call__(self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING) -> Policy:
        """The policy. Raises `PolicyError` when its packages are not installed."""
        try:
            module = import_module(self._module)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("search_core"):
                raise
            raise PolicyError(f'policy {self._kind} needs {error.name}; install "autoglm-kb[train]"') from error
        made: Policy = getattr(module, self._kind)(space, seed, briefing)
        return made

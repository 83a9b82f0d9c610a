"""The controller's network: a graph network over a partial architecture, a head that chooses, heads that foresee."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from search_core.policy.encoding import ABSENT, OPEN, SpaceTensors, Walk
from search_core.policy.reinforce import entropy_of, masked_log_softmax

with warnings.catch_warnings():  # torch's deprecations in there are not ours to mend
    warnings.simplefilter("ignore")
    from torch_geometric.nn import SAGEConv

WIDTH = 48  # numbers a node carries; 64 and 32 scored alike on synthetic rewards
LAYERS = 2  # what a node sees reaches the task's node and from there every other
FORESEERS = 5  # heads that predict the reward from different thirds of the trials: where they differ, little is known


class ControllerNetwork(nn.Module):
    """Reads states (b × n) and a profile (b × p); says log probabilities of values and expected rewards."""

    def __init__(self, tensors: SpaceTensors, profile_size: int) -> None:
        super().__init__()
        count, most = tensors.legal.shape
        self.tensors = tensors
        self.decision = nn.Embedding(count + 1, WIDTH)
        self.state = nn.Embedding(2, WIDTH)  # absent, open
        self.value = nn.Embedding(count * most, WIDTH)
        self.slope = nn.Embedding(count, WIDTH)  # what a decision's values have in common along their order
        self.profile = nn.Linear(max(1, profile_size), WIDTH, bias=False)
        self.layers = nn.ModuleList(SAGEConv(WIDTH, WIDTH) for _ in range(LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(LAYERS))
        self.query = nn.Linear(2 * WIDTH, WIDTH)
        self.choice = nn.Embedding(count * most, WIDTH)
        self.foreseers = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1)) for _ in range(FORESEERS)
        )
        self.baseline = nn.Linear(WIDTH, 1)
        nn.init.normal_(self.choice.weight, std=0.02)  # an untrained policy draws (nearly) evenly

    def nodes(self, states: Tensor, profile: Tensor) -> Tensor:
        """B × (n + 1) × width: every decision, and task and corpus last, as they look in this partial architecture."""
        count, most = self.tensors.legal.shape
        chosen = (states - 2).clamp(min=0) + torch.arange(count) * most
        valued = self.value(chosen) + self.tensors.place.flatten()[chosen][..., None] * self.slope.weight
        known = torch.where((states > OPEN)[..., None], valued, self.state(states.clamp(max=OPEN)))
        task = torch.tanh(self.profile(profile))[:, None]
        inside = torch.cat([known, task], dim=1) + self.decision.weight
        present = torch.cat([states != ABSENT, torch.ones_like(states[:, :1], dtype=torch.bool)], dim=1)[..., None]
        inside = inside * present
        for layer, norm in zip(self.layers, self.norms, strict=True):
            inside = (inside + torch.nn.functional.gelu(norm(layer(inside, self.tensors.edges)))) * present
        return inside

    def choose(self, nodes: Tensor, decision: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities (b × m) of the values of one decision of each row, and their entropy (b)."""
        count, most = self.tensors.legal.shape
        rows = torch.arange(len(nodes))
        query = self.query(torch.cat([nodes[rows, decision], nodes[:, -1]], dim=-1))
        keys = self.choice.weight.view(count, most, WIDTH)[decision]
        legal = self.tensors.legal[decision]
        log_probabilities = masked_log_softmax((keys @ query[..., None]).squeeze(-1), legal)
        return log_probabilities, entropy_of(log_probabilities, legal)

    def foresee(self, nodes: Tensor) -> Tensor:
        """B × heads: the reward that each head expects, in standard deviations of the run."""
        present = nodes[:, :-1].abs().sum(dim=-1, keepdim=True) > 0
        mean = nodes[:, :-1].sum(dim=1) / present.sum(dim=1).clamp(min=1)
        seen = torch.cat([mean, nodes[:, -1]], dim=-1)
        return torch.cat([head(seen) for head in self.foreseers], dim=-1)

    def sample(self, profile: Tensor, rows: int, generator: torch.Generator) -> Tensor:
        """Node states (rows × n) of complete architectures drawn from the policy; `profile` is one vector."""
        walk = Walk(self.tensors, rows)
        for place in range(self.tensors.decisions):
            asked = walk.asked(place)
            if len(asked) == 0:
                continue
            nodes = self.nodes(walk.states[asked], profile.expand(len(asked), -1))
            log_probabilities, _ = self.choose(nodes, torch.full((len(asked),), place))
            drawn = torch.multinomial(log_probabilities.exp(), 1, generator=generator).flatten()
            walk.choose(place, asked, drawn)
        return walk.states

    def log_probability(self, states: Tensor, profile: Tensor) -> tuple[Tensor, Tensor]:
        """Log probability and entropy (both b) of drawing these complete architectures; `profile` is b × p."""
        walk = Walk(self.tensors, len(states))
        total, entropy = torch.zeros(len(states)), torch.zeros(len(states))
        for place in range(self.tensors.decisions):
            asked = walk.asked(place)
            if len(asked) == 0:
                continue
            chosen = states[asked, place] - 2
            if int(self.tensors.legal[place].sum()) > 1:
                nodes = self.nodes(walk.states[asked], profile[asked])
                log_probabilities, spread = self.choose(nodes, torch.full((len(asked),), place))
                total = total.index_add(0, asked, log_probabilities.gather(1, chosen[:, None]).flatten())
                entropy = entropy.index_add(0, asked, spread)
            walk.choose(place, asked, chosen)
        return total, entropy

    def expected(self, profile: Tensor) -> Tensor:
        """The baseline (b): the reward expected before any choice is made."""
        nodes = self.nodes(Walk(self.tensors, len(profile)).states, profile)
        seen: Tensor = self.baseline(nodes[:, -1]).flatten()
        return seen


@contextmanager
def exactly(seed: int | None = None) -> Iterator[None]:
    """One thread, so that sums have one order; with a seed torch's own draws inside start there and end outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)

"""Second half of the parity check, in DGL's environment: load what was exported, compute it anew, compare.

python -m tests.benchmarks.dgl.compare FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from search_core.models.dgl import dgl_outputs, from_dgl, to_dgl
from search_core.models.dgl_operators import build_dgl_operator
from search_core.models.edges import Edges
from search_core.models.graph_lm import load_graph_lm
from tests.benchmarks.dgl.cases import GRAPH, KINDS, NODES, TOLERANCE, cases


def main(folder: Path) -> int:
    """How many cases differ."""
    loaded = {name: value.numpy() for name, value in load_file(folder / GRAPH).items()}
    edges = Edges(NODES, loaded["index"], loaded["weight"], loaded["kind"], KINDS)
    graph = to_dgl(edges, loaded["features"])
    back, features = from_dgl(graph)
    same = all(np.array_equal(getattr(back, name), getattr(edges, name)) for name in ("index", "weight", "kind"))
    wrong = int(not (same and back.nodes == NODES and np.array_equal(features, loaded["features"])))
    print(f"{'there and back':14} {'differs' if wrong else 'equal'}")
    for name, _ in cases():
        model = load_graph_lm(folder / f"{name}.model.safetensors", build_dgl_operator)
        expected = load_file(folder / f"{name}.output.safetensors")["output"]
        difference = float((dgl_outputs(model, graph) - expected).abs().max())
        wrong += not difference <= TOLERANCE
        print(f"{name:14} {difference:.1e}{'' if difference <= TOLERANCE else '  DIFFERS'}")
    return wrong


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(min(main(Path(sys.argv[1])), 1))

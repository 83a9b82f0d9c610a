"""First half of the parity check, in this project's environment: write graph, weights and outputs as safetensors.

python -m tests.benchmarks.dgl.export FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from search_core.models.graph_lm import build_graph_lm, graph_input, save_graph_lm
from tests.benchmarks.dgl.cases import GRAPH, cases, graph


def export(folder: Path) -> None:
    """Files `graph`, `NAME.model` and `NAME.output`."""
    folder.mkdir(parents=True, exist_ok=True)
    edges, features = graph()
    given = graph_input(features, edges)
    save_file(
        {"features": given.features, "index": given.graph, "weight": given.weight, "kind": given.kind}, folder / GRAPH
    )
    for name, config in cases():
        model = build_graph_lm(config, seed=1)
        with torch.no_grad():
            for parameter in model.parameters():  # those that begin at 0 would hide a difference
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.1)
            output = model.eval()(given)
        save_graph_lm(model, folder / f"{name}.model.safetensors")
        save_file({"output": output}, folder / f"{name}.output.safetensors")


if __name__ == "__main__":
    export(Path(sys.argv[1]))

"""Operators held against dense matrices on a tiny graph, and what a model file and a seed promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402

from search_core.errors import ArtifactError, CorpusError, SpaceError  # noqa: E402
from search_core.models.edges import Edges, make_edges  # noqa: E402
from search_core.models.graph_config import GraphLMConfig  # noqa: E402
from search_core.models.graph_lm import build_graph_lm, graph_input, load_graph_lm, save_graph_lm  # noqa: E402
from search_core.models.operators import build_operator  # noqa: E402

NODES, WIDTH = 7, 8
CONFIG = GraphLMConfig(inputs=5, outputs=3, width=WIDTH, heads=2, hops=3, teleport=0.2, kinds=2)
OPERATORS = ("none", "sgc", "appnp", "gcn", "sage", "gat", "gin")


def graph() -> tuple[Edges, np.ndarray[Any, Any]]:
    """One-way, weighted, of two kinds; the last node has no edge."""
    pairs = np.array([[0, 1], [1, 2], [2, 0], [3, 1], [4, 1], [5, 4], [0, 5], [5, 0]])
    weight = np.array([0.5, 1.0, 2.0, 0.3, 1.5, 0.7, 1.1, 0.9])
    edges = make_edges(NODES, pairs, weight, np.arange(8) % 2, undirected=False)
    return edges, np.random.default_rng(0).standard_normal((NODES, 5)).astype(np.float32)


def dense(edges: Edges) -> Any:
    """A[i, j]: the weight of the edge from j to i."""
    matrix = torch.zeros(NODES, NODES, dtype=torch.float64)
    matrix[torch.from_numpy(edges.index[1]), torch.from_numpy(edges.index[0])] = torch.from_numpy(edges.weight).double()
    return matrix


def normalised(matrix: Any) -> Any:
    looped = matrix + torch.eye(NODES)
    root = looped.sum(dim=1).rsqrt()
    return root[:, None] * looped * root[None, :]


def gathered(matrix: Any, values: Any, how: str) -> Any:
    """Row i: sum, mean or largest of the weighted neighbours of i; 0 where there is none."""
    if how == "sum":
        return matrix @ values
    if how == "mean":
        return matrix @ values / (matrix > 0).sum(dim=1, keepdim=True).clamp(min=1)
    rows = [(row[row > 0, None] * values[row > 0]) for row in matrix]
    return torch.stack([row.max(dim=0).values if len(row) else torch.zeros(WIDTH) for row in rows])


def attention(state: dict[str, Any], matrix: Any, values: Any) -> Any:
    moved = (values @ state["lin.weight"].T).view(NODES, 2, -1)
    edge_term = (state["lin_edge.weight"].view(1, 2, -1) * state["att_edge"]).sum(-1)
    heads = []
    for head in range(2):
        target = (moved[:, head] * state["att_dst"][0, head]).sum(-1)
        source = (moved[:, head] * state["att_src"][0, head]).sum(-1)
        looped = matrix + torch.eye(NODES)
        scores = torch.nn.functional.leaky_relu(
            target[:, None] + source[None, :] + looped * edge_term[0, head], negative_slope=0.2
        )
        shares = torch.softmax(scores.masked_fill(looped == 0, -torch.inf), dim=1)
        heads.append(shares @ moved[:, head])
    return torch.cat(heads, dim=1) + state["bias"]


def oracle(config: GraphLMConfig, state: dict[str, Any], matrix: Any, values: Any) -> Any:
    """The formulas in the docstring of `search_core.models.operators`, with dense matrices in double precision."""
    spread = normalised(matrix)
    if config.operator == "none":
        return values @ state["lin.weight"].T + state["lin.bias"]
    if config.operator == "gcn":
        return spread @ values @ state["lin.weight"].T + state["bias"]
    if config.operator == "sgc":
        return torch.linalg.matrix_power(spread, config.hops) @ values @ state["lin.weight"].T + state["lin.bias"]
    if config.operator == "appnp":
        start = moved = values @ state["lin.weight"].T + state["lin.bias"]
        for _ in range(config.hops):
            moved = (1 - config.teleport) * spread @ moved + config.teleport * start
        return moved
    if config.operator == "gat":
        return attention(state, matrix, values)
    around = gathered(matrix, values, config.aggregation)
    if config.operator == "sage":
        return around @ state["lin_rel.weight"].T + state["lin_rel.bias"] + values @ state["lin_root.weight"].T
    inner = torch.relu((values + around) @ state["nn.0.weight"].T + state["nn.0.bias"])
    return inner @ state["nn.2.weight"].T + state["nn.2.bias"]


CASES = [(operator, "mean") for operator in OPERATORS] + [
    (operator, how) for operator in ("sage", "gin") for how in ("sum", "max")
]


@pytest.mark.parametrize(("operator", "aggregation"), CASES)
def test_an_operator_computes_its_formula(operator: str, aggregation: str) -> None:
    config = replace(CONFIG, operator=operator, aggregation=aggregation)
    torch.manual_seed(3)
    layer = build_operator(config)
    with torch.no_grad():
        for parameter in layer.parameters():  # biases begin at 0
            parameter.add_(torch.randn_like(parameter) * 0.1)
    edges, _ = graph()
    values = torch.randn(NODES, WIDTH)
    found = layer(values, torch.from_numpy(edges.index), torch.from_numpy(edges.weight))
    state = {name: value.double() for name, value in layer.state_dict().items()}
    expected = oracle(config, state, dense(edges), values.double())
    assert torch.allclose(found.double(), expected, atol=1e-5)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("depth", range(4))
def test_a_saved_model_gives_the_same_outputs(operator: str, depth: int, tmp_path: Path) -> None:
    edges, features = graph()
    model = build_graph_lm(replace(CONFIG, operator=operator, depth=depth, normalisation="batch"), seed=1)
    given = graph_input(features, edges)
    model.train()(given)  # moves the running means, which must be saved too
    save_graph_lm(model, tmp_path / "model.safetensors")
    loaded = load_graph_lm(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    assert torch.equal(loaded(given), model.eval()(given))


@pytest.mark.parametrize("fusion", ["none", "concat", "gate", "sum"])
@pytest.mark.parametrize("readout", ["last", "mean", "max", "concat"])
def test_every_way_to_read_and_fuse_reaches_all_parameters(fusion: str, readout: str) -> None:
    edges, features = graph()
    model = build_graph_lm(replace(CONFIG, depth=2, fusion=fusion, readout=readout, residual=True), seed=1)
    if fusion == "gate":
        with torch.no_grad():
            model.gate.fill_(0.5)
    outputs = model.train()(graph_input(features, edges))
    assert outputs.shape == (NODES, 3)
    outputs.square().sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


def test_each_layer_has_the_operator_that_is_named_for_it(tmp_path: Path) -> None:
    edges, features = graph()
    config = replace(CONFIG, operator="gcn", depth=3, later_operators=("sage",))
    model = build_graph_lm(config, seed=1).eval()
    assert [type(layer).__name__ for layer in model.layers] == ["GCNConv", "GraphConv", "GCNConv"]
    save_graph_lm(model, tmp_path / "model.safetensors")
    loaded = load_graph_lm(tmp_path / "model.safetensors")
    assert loaded.config == config
    assert torch.equal(loaded(graph_input(features, edges)), model(graph_input(features, edges)))


def test_a_new_gate_of_equal_width_is_the_identity() -> None:
    edges, features = graph()
    model = build_graph_lm(replace(CONFIG, outputs=5, fusion="gate"), seed=1).eval()
    assert np.array_equal(model(graph_input(features, edges)).detach().numpy(), features)


def test_the_seed_alone_decides_the_weights() -> None:
    one = build_graph_lm(CONFIG, seed=4).state_dict()
    torch.manual_seed(99)
    torch.rand(5)
    before = torch.get_rng_state()
    other = build_graph_lm(CONFIG, seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], other[name]) for name in one)
    different = build_graph_lm(CONFIG, seed=5).state_dict()
    assert not torch.equal(one["enter.weight"], different["enter.weight"])


def test_a_kinds_factor_scales_its_edges() -> None:
    edges, features = graph()
    given = graph_input(features, edges)
    model = build_graph_lm(replace(CONFIG, operator="sage"), seed=1).eval()
    doubled = Edges(
        NODES, edges.index, np.where(edges.kind == 1, 2, 1).astype(np.float32) * edges.weight, edges.kind, 2
    )
    expected = model(graph_input(features, doubled))
    with torch.no_grad():
        model.kind_scale[1] = np.log(2)
    assert torch.allclose(model(given), expected, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(value: float) -> None:
    edges, features = graph()
    features[2, 1] = value
    with pytest.raises(CorpusError, match="1 nodes, the first being 2"):
        graph_input(features, edges)


def test_features_of_another_shape_are_refused() -> None:
    edges, features = graph()
    with pytest.raises(CorpusError, match="expected \\(7, width\\)"):
        graph_input(features[:3], edges)
    with pytest.raises(SpaceError, match="4 wide"):
        build_graph_lm(CONFIG, 0)(graph_input(features[:, :4], edges))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operator": "gru"}, "operator is 'gru'; expected one of none, sgc"),
        ({"depth": 4}, "expected 0 to 3"),
        ({"width": 0}, "width is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"operator": "gat", "heads": 3}, "3 heads cannot share a width of 8"),
    ],
)
def test_an_architecture_outside_the_space_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        replace(CONFIG, **change)


def test_a_configuration_goes_there_and_back() -> None:
    assert GraphLMConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(SpaceError, match="no \\['colour'\\]"):
        GraphLMConfig.from_dict(CONFIG.to_dict() | {"colour": "red"})


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_graph_lm(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_graph_lm(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ArtifactError, match="format None"):
        load_graph_lm(path)


def test_a_file_whose_weights_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_graph_lm(build_graph_lm(CONFIG, 0), path)
    state = load_file(path)
    del state["enter.bias"]
    with_header = {"format": "graph-lm-1", "config": '{"inputs": 5, "outputs": 3}'}
    save_file(state, path, with_header)
    with pytest.raises(ArtifactError, match="does not fit its own description"):
        load_graph_lm(path)


@pytest.mark.parametrize(
    ("pairs", "weight", "message"),
    [
        ([[0, 7]], None, "edge ends reach from 0 to 7; expected 0 to 6"),
        ([[-1, 1]], None, "edge ends reach"),
        ([[0, 1]], [np.nan], "negative or no number"),
        ([[0, 1]], [-1.0], "negative or no number"),
        ([[0, 1]], [1.0, 1.0], "2 weights"),
    ],
)
def test_edges_that_lead_nowhere_are_refused(pairs: Any, weight: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        make_edges(NODES, np.array(pairs), None if weight is None else np.array(weight))


def test_edges_are_made_without_loops_and_repetitions() -> None:
    edges = make_edges(4, np.array([[0, 1], [1, 0], [2, 2], [0, 1]]), np.array([0.2, 0.9, 1.0, 0.4]))
    assert edges.index.T.tolist() == [[1, 0], [0, 1]]
    assert edges.weight.tolist() == pytest.approx([0.9, 0.9])
    with pytest.raises(CorpusError, match="from a node to itself"):
        Edges(2, np.array([[0], [0]]), np.ones(1, np.float32), np.zeros(1, np.int64))


def test_a_graph_without_edges_is_a_graph() -> None:
    features = graph()[1]
    nothing = make_edges(NODES, np.zeros((0, 2), np.int64))
    for operator in OPERATORS:
        model = build_graph_lm(replace(CONFIG, operator=operator), 0).eval()
        assert bool(torch.isfinite(model(graph_input(features, nothing))).all()), operator

"""GRAND's cheap products against dense ones, and the rules of training: validation stops, test decides nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

from search_core.errors import CorpusError, SupervisionError, TrainingError  # noqa: E402
from search_core.models.edges import make_edges  # noqa: E402
from search_core.models.graph_config import GraphLMConfig  # noqa: E402
from search_core.tasks.node_classification import (  # noqa: E402
    TrainOptions,
    train_graph_lm,
    train_random_propagation,
)
from search_core.tasks.planetoid import NodeTask, bag_of_words, read_planetoid  # noqa: E402
from search_core.tasks.random_propagation import (  # noqa: E402
    Grand,
    RandomPropagation,
    consistency_loss,
    normalised_adjacency,
    spread,
)

SHORT = TrainOptions(patience=20, max_epochs=60)
SMALL = RandomPropagation(order=3, samples=2, hidden=8)


def communities() -> NodeTask:
    """Nodes of a class share most edges and some words; labels of 5 a class are known."""
    generator = np.random.default_rng(0)
    nodes = 90
    labels = np.arange(nodes) % 3
    pairs = generator.integers(0, nodes, (6 * nodes, 2))
    pairs = pairs[(labels[pairs[:, 0]] == labels[pairs[:, 1]]) | (generator.random(len(pairs)) < 0.1)]
    words = [[int(label) * 10 + int(word) for word in generator.integers(0, 14, 4)] for label in labels]
    rest = np.arange(nodes)
    return NodeTask(bag_of_words(words), make_edges(nodes, pairs), labels, rest[:15], rest[15:45], rest[45:])


def dense_spread(task: NodeTask, order: int) -> Any:
    matrix = torch.eye(len(task.labels), dtype=torch.float64)
    matrix[torch.from_numpy(task.edges.index[1]), torch.from_numpy(task.edges.index[0])] = 1
    root = matrix.sum(dim=1).rsqrt()
    matrix = root[:, None] * matrix * root[None, :]
    return sum(torch.linalg.matrix_power(matrix, power) for power in range(order + 1)) / (order + 1)


@pytest.mark.parametrize("order", [0, 1, 4])
def test_spreading_is_the_mean_of_the_powers(order: int) -> None:
    task = communities()
    columns = torch.randn(90, 4)
    found = spread(columns, normalised_adjacency(task.edges), order)
    assert torch.allclose(found.double(), dense_spread(task, order) @ columns.double(), atol=1e-6)


def test_without_dropping_the_copies_and_their_gradients_are_the_dense_ones() -> None:
    task = communities()
    options = replace(SMALL, drop_node=0.0, input_dropout=0.0, hidden_dropout=0.0)
    torch.manual_seed(0)
    model = Grand(task.features, normalised_adjacency(task.edges), 3, options)
    copies = model(torch.Generator())
    mixed = dense_spread(task, 3).float() @ torch.from_numpy(task.features)
    parameters = list(model.parameters())
    hidden = torch.relu(mixed @ model.first + model.first_bias)
    expected = torch.log_softmax(hidden @ model.second + model.second_bias, dim=1)
    assert torch.allclose(copies[1], expected, atol=1e-5)
    assert torch.allclose(model.predict(), expected, atol=1e-5)
    weighting = torch.randn(90, 3)
    found = torch.autograd.grad((copies.mean(dim=0) * weighting).sum(), parameters)
    right = torch.autograd.grad((expected * weighting).sum(), parameters)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(found, right, strict=True))


def test_dropping_differs_between_copies_and_repeats_with_the_seed() -> None:
    task = communities()
    torch.manual_seed(0)
    model = Grand(task.features, normalised_adjacency(task.edges), 3, SMALL)
    first = model(torch.Generator().manual_seed(1))
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first, model(torch.Generator().manual_seed(1)))
    assert not torch.equal(first, model(torch.Generator().manual_seed(2)))


def test_the_first_layer_sees_on_average_what_prediction_gives_it() -> None:
    task = communities()
    torch.manual_seed(0)
    options = RandomPropagation(order=2, samples=400, hidden=8, drop_node=0.5, input_dropout=0.5, hidden_dropout=0.0)
    model = Grand(task.features, normalised_adjacency(task.edges), 3, options)
    with torch.no_grad():  # so far up that no unit is cut off: all before the softmax is linear
        model.first_bias.fill_(10.0)
        logits = model(torch.Generator().manual_seed(0)).mean(dim=0)
    drawn, fixed = (value - value.mean(dim=1, keepdim=True) for value in (logits, model.predict()))
    assert float((drawn - fixed).abs().mean()) < 0.05 * float(fixed.abs().mean())


def test_the_consistency_loss_is_the_formula_of_the_paper() -> None:
    distributions = torch.tensor([[[0.6, 0.4]], [[0.8, 0.2]]])  # two copies of one node; mean 0.7, 0.3
    sharp = 0.7**2 / (0.7**2 + 0.3**2)
    expected = (0.6 - sharp) ** 2 + (0.8 - sharp) ** 2  # summed over two classes, averaged over two copies
    assert float(consistency_loss(distributions.log(), 0.5)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["graph", "grand"])
def test_the_same_seed_gives_the_same_result_and_learns(model: str) -> None:
    task = communities()

    def train(seed: int) -> tuple[float, float, int]:
        if model == "grand":
            found = train_random_propagation(task, SMALL, seed, SHORT)
        else:
            config = GraphLMConfig(task.features.shape[1], 3, "gcn", width=16, fusion="none")
            found = train_graph_lm(task, config, seed, SHORT)
        return found.validation, found.test, found.epoch

    first = train(0)
    torch.rand(3)  # what was drawn elsewhere does not matter
    assert train(0) == first
    assert first[1] > 0.7  # by chance: 0.33


def test_the_test_labels_change_nothing_but_the_test_accuracy() -> None:
    task = communities()
    wrong = task.labels.copy()
    wrong[task.test] = (wrong[task.test] + 1) % 3
    one = train_random_propagation(task, SMALL, 0, SHORT)
    other = train_random_propagation(replace(task, labels=wrong), SMALL, 0, SHORT)
    assert (one.validation, one.epoch, one.epochs) == (other.validation, other.epoch, other.epochs)
    assert other.test < 1 - one.test + 1e-6


def test_training_stops_when_validation_stays_as_it_is() -> None:
    task = communities()
    labels = task.labels.copy()
    labels[task.validation] = (labels[task.validation] + 1) % 3  # what is learned is wrong there
    found = train_random_propagation(replace(task, labels=labels), SMALL, 0, TrainOptions(patience=5, max_epochs=2000))
    assert found.epochs < 2000
    assert found.epoch <= found.epochs - 5


def test_parts_without_labels_are_refused() -> None:
    task = communities()
    with pytest.raises(SupervisionError, match="the validation part has 0 nodes"):
        train_random_propagation(replace(task, validation=task.validation[:0]), SMALL, 0, SHORT)
    unknown = task.labels.copy()
    unknown[task.train[0]] = -1
    with pytest.raises(SupervisionError, match="the train part has 15 nodes, some without label"):
        train_random_propagation(replace(task, labels=unknown), SMALL, 0, SHORT)


def test_numbers_that_are_none_end_the_training() -> None:
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train_random_propagation(communities(), SMALL, 0, TrainOptions(learning_rate=1e30))
    features = communities().features.copy()
    features[0, 0] = np.nan
    for train in (
        lambda task: train_random_propagation(task, SMALL, 0, SHORT),
        lambda task: train_graph_lm(task, GraphLMConfig(features.shape[1], 3), 0, SHORT),
    ):
        with pytest.raises(CorpusError, match="no numbers"):
            train(replace(communities(), features=features))


def test_a_folder_that_holds_no_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is no Planetoid graph"):
        read_planetoid(tmp_path)
    (tmp_path / "nodes.jsonl").write_text(json.dumps({"id": 0, "label": 1}) + "\n")
    (tmp_path / "edges.tsv").write_text("source\ttarget\n")
    with pytest.raises(CorpusError, match="is no Planetoid graph"):
        read_planetoid(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "nodes", "edges", "classes", "train"), [("cora", 2708, 5278, 7, 140), ("citeseer", 3327, 4552, 6, 120)]
)
def test_the_public_graphs_are_read_whole(
    data_dir_public: Path, name: str, nodes: int, edges: int, classes: int, train: int
) -> None:
    task = read_planetoid(data_dir_public / f"planetoid_{name}")
    assert (len(task.labels), task.edges.count // 2, task.classes) == (nodes, edges, classes)
    assert (len(task.train), len(task.validation), len(task.test)) == (train, 500, 1000)
    assert not set(task.train) & set(task.test) and not set(task.validation) & set(task.test)
    sums = task.features.sum(axis=1)
    assert np.allclose(sums[sums > 0], 1)

"""Rerankers keep their contract; the cross-encoder with a small untrained model written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.contracts import Reranker
from retrieval.errors import EncoderError, InvalidInputError
from retrieval.ranking import rerank
from retrieval.ranking.rerank import KEPT_OPEN, RERANKERS, CrossEncoderReranker, OpenRerankers
from retrieval.testing.reranker import RerankerContract

# torch's and transformers' own deprecations while they load are not ours to mend
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of two small layers with seeded weights."""
    torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("cross-encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", ".", "the", "warranty", "pump", "lunch", "when", "is"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=64, num_labels=1, **size)
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    return folder


class TestCrossEncoder(RerankerContract):
    @pytest.fixture
    def reranker(self, model: Path) -> Reranker:
        return CrossEncoderReranker(str(model))


def test_a_plan_names_kind_and_model_and_the_model_is_loaded_once(model: Path) -> None:
    rerankers = OpenRerankers()
    one = rerankers(f"cross-encoder:{model}")
    assert isinstance(one, CrossEncoderReranker)
    assert rerankers(f"cross-encoder:{model}") is one


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="nowhere"):
        CrossEncoderReranker(str(tmp_path / "nowhere"))
    with pytest.raises(InvalidInputError, match=r"plan\.rerank\.name is 'cross-encoder:.*nowhere.*cannot be loaded"):
        OpenRerankers()(f"cross-encoder:{tmp_path / 'nowhere'}")


def test_a_kind_that_needs_a_model_says_so() -> None:
    with pytest.raises(InvalidInputError, match=r"plan\.rerank\.name is 'cross-encoder', expected .*kind:model"):
        OpenRerankers()("cross-encoder")


def test_few_models_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rerankers, built = OpenRerankers(), list[str]()
    monkeypatch.setattr(rerank, "build_reranker", lambda name: built.append(name) or object())
    for number in (*range(KEPT_OPEN), 0, KEPT_OPEN, 0, 1):  # 0 goes on being asked for, so 1 is given up
        rerankers(f"cross-encoder:{number}")
    assert built == [f"cross-encoder:{number}" for number in (*range(KEPT_OPEN + 1), 1)]


def test_an_unknown_reranker_is_refused_with_the_known_names() -> None:
    assert "cross-encoder" in {entry.name for entry in RERANKERS}
    with pytest.raises(InvalidInputError, match=r"plan\.rerank\.name is 'magic'.*cross-encoder"):
        OpenRerankers()("magic")

"""Every built-in encoder keeps the contract; the exported model also agrees with sentence-transformers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval.contracts import Encoder
from retrieval.encoder import BUILT_IN, open_encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.pretrained import PRETRAINED, is_here
from retrieval.encoder.probes import PROBES
from retrieval.errors import EncoderError
from retrieval.testing.encoder import EncoderContract


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


class TestBuiltInEncoders(EncoderContract):
    @pytest.fixture(params=[(name, precision) for name, *_ in BUILT_IN for precision in ("int8", "fp32")], ids=str)
    def encoder(self, request: pytest.FixtureRequest, models: Path) -> Encoder:
        name, precision = request.param
        try:
            return open_encoder(name, models, precision, threads=2)
        except EncoderError as error:
            if name not in PRETRAINED or os.environ.get("CI"):
                raise
            pytest.skip(str(error))  # no Maven, or no network


@pytest.mark.slow
def test_the_default_model_agrees_with_sentence_transformers(models: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    wanted = sentence_transformers.SentenceTransformer(str(locate(DEFAULT_MODEL)), device="cpu").encode(list(PROBES))
    floats = open_encoder(DEFAULT_MODEL, models, "fp32", 1).encode_passages(PROBES)
    assert (floats * wanted).sum(axis=1).min() >= 0.9999
    int8 = open_encoder(DEFAULT_MODEL, models, "int8", 1).encode_passages(PROBES)
    assert (int8 * wanted).sum(axis=1).min() >= 0.97


@pytest.mark.parametrize(
    ("name", "near", "far"),
    [
        ("bge-small-zh-v1.5", ("怎么申请退款？", "如何办理退货退款"), "明天上海的天气"),
        (
            "bge-small-en-v1.5",
            ("How do I get my money back?", "Refunds are paid within a week"),
            "It rains today",
        ),
    ],
)
def test_a_fetched_model_knows_its_language(name: str, near: tuple[str, str], far: str, models: Path) -> None:
    if not (is_here(name) or os.environ.get("CI")):
        pytest.skip(f"{name} is not here: `kb encoders fetch {name}`")
    encoder = open_encoder(name, models, "int8", threads=2)
    question, texts = encoder.encode_queries([near[0]])[0], encoder.encode_passages([near[1], far])
    assert question @ texts[0] > question @ texts[1] + 0.15


def test_texts_beyond_the_maximum_are_cut(models: Path) -> None:
    encoder = open_encoder(DEFAULT_MODEL, models, "fp32", 1, max_length=8)
    long, cut = encoder.encode_passages(["one two three four five six seven eight", "one two three four five six"])
    np.testing.assert_allclose(long, cut, atol=1e-6)  # 8 tokens: six words between the two special ones


@pytest.mark.slow
def test_other_architectures_are_exported_by_tracing(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    modules = pytest.importorskip("sentence_transformers.base.modules")
    pooling = pytest.importorskip("sentence_transformers.sentence_transformer.modules").Pooling
    size = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "vocab_size": 30522}
    transformers.DistilBertModel(transformers.DistilBertConfig(**size)).save_pretrained(tmp_path / "bare")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(locate(DEFAULT_MODEL) / file, tmp_path / "bare" / file)
    body = modules.Transformer(str(tmp_path / "bare"), max_seq_length=64)
    model = sentence_transformers.SentenceTransformer(
        modules=[body, pooling(32, "mean"), modules.Dense(32, 8)], device="cpu"
    )
    model.save(str(tmp_path / "model"))
    encoder = open_encoder(str(tmp_path / "model"), tmp_path / "cache", "fp32", 1)
    wanted = model.encode(list(PROBES), normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_passages(PROBES), wanted, atol=1e-3)
    assert encoder.dim == 8

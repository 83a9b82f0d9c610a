"""Every built-in encoder keeps the contract; the exported model also agrees with sentence-transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.contracts import Encoder
from retrieval.encoder import BUILT_IN, open_encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.probes import PROBES
from retrieval.testing.encoder import EncoderContract


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


class TestBuiltInEncoders(EncoderContract):
    @pytest.fixture(params=[(name, precision) for name, *_ in BUILT_IN for precision in ("int8", "fp32")], ids=str)
    def encoder(self, request: pytest.FixtureRequest, models: Path) -> Encoder:
        name, precision = request.param
        return open_encoder(name, models, precision, threads=2)


@pytest.mark.slow
def test_the_default_model_agrees_with_sentence_transformers(models: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    wanted = sentence_transformers.SentenceTransformer(str(locate(DEFAULT_MODEL)), device="cpu").encode(list(PROBES))
    floats = open_encoder(DEFAULT_MODEL, models, "fp32", 1).encode_passages(PROBES)
    assert (floats * wanted).sum(axis=1).min() >= 0.9999
    int8 = open_encoder(DEFAULT_MODEL, models, "int8", 1).encode_passages(PROBES)
    assert (int8 * wanted).sum(axis=1).min() >= 0.97


def test_texts_beyond_the_maximum_are_cut(models: Path) -> None:
    encoder = open_encoder(DEFAULT_MODEL, models, "fp32", 1, max_length=8)
    long, cut = encoder.encode_passages(["one two three four five six seven eight", "one two three four five six"])
    np.testing.assert_allclose(long, cut, atol=1e-6)  # 8 tokens: six words between the two special ones

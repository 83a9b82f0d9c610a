"""Cosines of encoders whose unlike texts lie far from zero are brought to the scale that answers know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoder.cosine_scale import KNOWN_ZERO, UNLIKE, of_answers, of_statements
from retrieval.encoder.hashing import HashEncoder
from retrieval.types import Vectors


class Raised:
    """Hashed words, and one direction that all texts have in common: unlike ones are at the cosine `zero`."""

    def __init__(self, zero: float) -> None:
        self._plain, self._zero = HashEncoder(), zero
        self.dim, self.fingerprint = self._plain.dim + 1, f"raised {zero}"
        self.asked = 0

    def coverage(self, text: str) -> float:
        return self._plain.coverage(text)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.asked += 1
        plain = self._plain.encode_passages(list(texts))
        return np.hstack([np.sqrt(1 - self._zero) * plain, np.full((len(texts), 1), np.sqrt(self._zero), np.float32)])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_passages(texts)


def test_unlike_texts_are_brought_to_the_known_zero_and_equal_ones_stay() -> None:
    encoder = Raised(0.6)
    question, text = UNLIKE[False][:2]
    equal, unlike = of_answers(encoder, question, [question, text])
    assert equal == pytest.approx(1, abs=1e-5)
    assert unlike == pytest.approx(KNOWN_ZERO, abs=0.12)
    assert of_statements(encoder, question, text) == pytest.approx(unlike, abs=1e-5)
    assert of_statements(encoder, question, question) == pytest.approx(1, abs=1e-5)


def test_an_encoder_near_the_known_zero_stays_as_it_is() -> None:
    plain = HashEncoder()
    question, *texts = UNLIKE[True][:4]
    cosines = plain.encode_passages(texts) @ plain.encode_queries([question])[0]
    np.testing.assert_array_equal(of_answers(plain, question, texts), cosines.astype(np.float64))


def test_each_encoder_is_asked_about_unlike_texts_once_a_language() -> None:
    encoder = Raised(0.5)
    for _ in range(3):
        of_answers(encoder, "refund policy", ["Refunds take a week."])
    assert encoder.asked == 2 + 3 * 2  # queries and passages, each time and once more
    of_answers(encoder, "退款政策", ["退款需要一周。"])
    assert encoder.asked == 8 + 2 + 2


def test_the_default_encoder_needs_no_scale(tmp_path: Path) -> None:
    from retrieval.encoder import open_encoder
    from retrieval.encoder.model_folder import DEFAULT_MODEL

    encoder = open_encoder(DEFAULT_MODEL, tmp_path / "models", "int8", 1)
    texts = ["Invoices over 10,000 EUR need two signatures.", "The lamp is green."]
    cosines = encoder.encode_passages(texts) @ encoder.encode_queries(["Who signs invoices?"])[0]
    np.testing.assert_allclose(of_answers(encoder, "Who signs invoices?", texts), cosines, atol=1e-6)

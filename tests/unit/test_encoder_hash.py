"""The hash encoder: the same everywhere, sensible neighbours, no words no trouble."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from retrieval.encoder.hashing import HashEncoder


def test_vectors_are_the_same_in_another_process() -> None:
    code = (
        "from retrieval.encoder.hashing import HashEncoder as H; print(H(16).encode_passages(['Ab ab, 年假']).tolist())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""
    assert runs[0].stdout.strip() == str(HashEncoder(16).encode_passages(["ab AB 年假"]).tolist())


def test_an_inflected_word_stays_near() -> None:
    encoder = HashEncoder()
    refund, refunded, canteen = encoder.encode_passages(["refund", "refunded", "canteen"])
    assert refund @ refunded > 0.3 > abs(refund @ canteen)


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_a_text_without_words_has_a_unit_vector(text: str) -> None:
    assert np.linalg.norm(HashEncoder(8).encode_queries([text])[0]) == pytest.approx(1)


def test_the_dimension_is_in_the_fingerprint() -> None:
    assert HashEncoder(8).fingerprint != HashEncoder(16).fingerprint


def test_a_dimension_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="dimension is 0, expected at least 1"):
        HashEncoder(0)

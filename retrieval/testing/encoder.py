"""What every `Encoder` must do. Subclass `EncoderContract` in a test file and give it an `encoder` fixture."""

from __future__ import annotations

import numpy as np

from retrieval.contracts import Encoder

TEXTS = (
    "refund policy",
    "How many days of paid leave does a new employee get?",
    "新员工第一年有多少天带薪年假？",
    "The pump AX-1200 runs at 2,950 rpm and 7.5 bar. " * 40,
    "",
    "refund policy",
)
TOLERANCE = 1e-3  # how far a vector may move, per component, with its neighbours
UNIT_TOLERANCE = 1e-4  # how far a norm may be from 1


class EncoderContract:
    """Pytest collects the methods of a subclass whose name starts with Test."""

    def test_vectors_are_unit_rows_in_order(self, encoder: Encoder) -> None:
        """(n, dim) float32, norm 1; equal texts get equal rows."""
        for encode in (encoder.encode_passages, encoder.encode_queries):
            vectors = encode(TEXTS)
            assert vectors.shape == (len(TEXTS), encoder.dim)
            assert vectors.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=UNIT_TOLERANCE)
            np.testing.assert_allclose(vectors[0], vectors[5], atol=TOLERANCE)

    def test_no_text_gives_no_row(self, encoder: Encoder) -> None:
        """An empty sequence is not an error."""
        assert encoder.encode_passages([]).shape == (0, encoder.dim)
        assert encoder.encode_queries([]).shape == (0, encoder.dim)

    def test_neighbours_do_not_matter(self, encoder: Encoder) -> None:
        """A text alone, among others, and in another order has the same vector."""
        for encode in (encoder.encode_passages, encoder.encode_queries):
            alone = np.concatenate([encode([text]) for text in TEXTS])
            np.testing.assert_allclose(encode(TEXTS), alone, atol=TOLERANCE)
            np.testing.assert_allclose(encode(TEXTS[::-1])[::-1], alone, atol=TOLERANCE)

    def test_a_caller_may_change_what_it_got(self, encoder: Encoder) -> None:
        """Results are the caller's own: writing to them does not reach a cache."""
        first = encoder.encode_queries(TEXTS[:1])
        kept = first.copy()
        first[:] = 0
        np.testing.assert_array_equal(encoder.encode_queries(TEXTS[:1]), kept)

    def test_a_related_passage_is_nearer(self, encoder: Encoder) -> None:
        """The passage that shares the query's words beats one about something else."""
        query = encoder.encode_queries(["refund of a damaged item"])[0]
        near, far = (
            encoder.encode_passages(["A damaged item is refunded in full.", "The canteen opens at noon."]) @ query
        )
        assert near > far

    def test_coverage_is_a_share(self, encoder: Encoder) -> None:
        """0 to 1, and 1 for empty text."""
        assert encoder.coverage("") == 1
        assert all(0 <= encoder.coverage(text) <= 1 for text in TEXTS)

    def test_the_fingerprint_is_stable(self, encoder: Encoder) -> None:
        """Encoding does not change it, and it is not empty."""
        before = encoder.fingerprint
        encoder.encode_passages(TEXTS[:1])
        assert before == encoder.fingerprint != ""

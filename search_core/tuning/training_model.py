"""A sentence-transformers model while it is trained: which weights move, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.encoder.model_folder import read_folder
from retrieval.types import Vectors
from search_core.errors import TrainingError
from search_core.tuning.devices import PROCESSOR

if TYPE_CHECKING:
    import torch

PART = 16  # texts through the model at once: of like length, so that little is padding
LORA_TARGETS = ("query", "value")  # linear layers of BERT's attention, as in the LoRA paper
PROBE = (2048, 384, 1536)  # a product of MiniLM's shape
LAYERS = "encoder.layer"


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train. `new_rows`: the first row of new pieces, the only rows of the table trained; None: none are new."""

    steps: int = 200
    batch: int = 32
    rate: float = 3e-5  # AdamW's
    new_rows: int | None = None
    new_rows_factor: float = 20.0  # times `rate`
    train_embeddings: bool = False  # of known pieces; new ones are always trained
    warm_up: int = 20  # steps
    scale: float = 20.0  # of cosines, before the softmax
    question_tokens: int = 48
    passage_tokens: int = 112
    lora_rank: int = 0  # 0: the weights themselves
    last_layers: int | None = None  # train only so many; None: all
    dropout: bool = True  # the model's own; off, a language is learned in fewer steps (docs/tuning-models.md)
    fast: bool = False  # bf16 where it is faster; otherwise fp32, which replays exactly
    threads: int = 1  # of the processor; sums are made in another order by another number of them
    device: str = PROCESSOR  # PyTorch's name; a GPU trains in a minute what takes half an hour on two cores


class TrainingModel:
    """One model on the processor or one GPU. Raises `TrainingError` where the folder holds none that can be trained."""

    def __init__(self, folder: Path, options: TrainingOptions) -> None:
        import torch

        torch.set_num_threads(options.threads)
        self.options = options
        self._whole = _open(folder, options.device)
        about = read_folder(folder)
        self._question, self._passage = self._prefix(about.query_prefix), self._prefix(about.passage_prefix)
        self._body: Any = self._whole[0].auto_model
        self._table: torch.nn.Parameter = self._body.get_input_embeddings().weight

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._body.config.hidden_size)

    def rounding(self) -> Any:
        """A context in which products are rounded to bf16, where these options say so and the device gains by it."""
        import torch

        in_bf16 = self.options.fast and is_bf16_faster(self.options.device)
        return torch.autocast(self.options.device, torch.bfloat16, enabled=in_bf16)

    def start(self) -> None:
        """Ready for a step, with dropout where it was chosen."""
        self._whole.train(self.options.dropout)

    def parameters(self) -> list[dict[str, Any]]:
        """Groups for the optimiser; everything else is frozen from here on."""
        options = self.options
        self._freeze()
        rest = [weight for weight in self.trained() if weight is not self._table]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": options.rate}]
        if self._table.requires_grad:
            factor = 1.0 if options.new_rows is None else options.new_rows_factor
            groups.append({"params": [self._table], "lr": options.rate * factor, "weight_decay": 0.0})
        return groups

    def trained(self) -> list[torch.nn.Parameter]:
        """The weights that move."""
        return [weight for weight in self._body.parameters() if weight.requires_grad]

    def trained_by_name(self) -> dict[str, torch.nn.Parameter]:
        """The weights that move, themselves."""
        return {name: weight for name, weight in self._body.named_parameters() if weight.requires_grad}

    def before_step(self) -> None:
        """Known rows stay while new ones are learned: there are few new ones, and they are far behind."""
        if self.options.new_rows is not None and self._table.grad is not None:
            self._table.grad[: self.options.new_rows] = 0.0

    def embed_questions(self, texts: Sequence[str]) -> torch.Tensor:
        """`embed` of questions, begun as the model wants them begun when it serves."""
        return self._begun(texts, self._question, self.options.question_tokens)

    def embed_passages(self, texts: Sequence[str]) -> torch.Tensor:
        """`embed` of passages, begun as the model wants them begun when it serves."""
        return self._begun(texts, self._passage, self.options.passage_tokens)

    def _prefix(self, text: str) -> tuple[str, int]:
        """What texts of one kind begin with, and how many tokens that is."""
        return text, len(self._whole.tokenizer.tokenize(text)) if text else 0

    def _begun(self, texts: Sequence[str], prefix: tuple[str, int], tokens: int) -> torch.Tensor:
        words, more = prefix
        return self.embed([words + text for text in texts], tokens + more)

    def embed(self, texts: Sequence[str], tokens: int) -> torch.Tensor:
        """(n, dim) unit rows with their gradients; texts are cut at `tokens`."""
        import torch
        from sentence_transformers.util import batch_to_device

        self._whole.max_seq_length = tokens
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        back = np.argsort(order).tolist()
        parts = []
        for start in range(0, len(order), PART):
            features = self._whole.preprocess([texts[at] for at in order[start : start + PART]])
            placed = batch_to_device(features, torch.device(self.options.device))
            parts.append(self._whole(placed)["sentence_embedding"])
        return torch.cat(parts)[back]

    def encode_questions(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) unit rows of questions, without gradients and dropout. Raises `TrainingError` for no numbers."""
        return self._encode(self.embed_questions, texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) unit rows of passages, without gradients and dropout. Raises `TrainingError` for no numbers."""
        return self._encode(self.embed_passages, texts)

    def _encode(self, embed: Callable[[Sequence[str]], torch.Tensor], texts: Sequence[str]) -> Vectors:
        import torch

        self._whole.eval()
        with torch.no_grad(), self.rounding():
            vectors: Vectors = embed(texts).float().cpu().numpy()
        if not np.isfinite(vectors).all():  # such would be ranked by chance
            raise TrainingError("the model gives vectors that hold what is no number")
        return vectors

    def weights(self) -> dict[str, torch.Tensor]:
        """Copies by name, low-rank updates added to what they update; the model itself stays as it is to the bit."""
        import torch

        copies = {
            name.replace(".base_layer.", "."): weight.detach().to("cpu", copy=True)
            for name, weight in self._body.state_dict().items()
            if ".lora_" not in name
        }
        for name, module in self._body.named_modules():
            if hasattr(module, "lora_A"):
                with torch.no_grad():
                    copies[f"{name}.weight"] += module.get_delta_weight(*module.active_adapters).cpu()
        return copies

    def load(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take these weights."""
        self._body.load_state_dict(dict(weights))

    def _freeze(self) -> None:
        options = self.options
        if options.lora_rank:
            self._inject(options.lora_rank)
        for weight in self._body.embeddings.parameters():
            weight.requires_grad_(options.train_embeddings and not options.lora_rank)
        self._table.requires_grad_(options.train_embeddings or options.new_rows is not None)
        if options.last_layers is not None:
            first = self._body.config.num_hidden_layers - options.last_layers
            for name, weight in self._body.named_parameters():
                if name.startswith(LAYERS) and int(name.split(".")[2]) < first:
                    weight.requires_grad_(False)

    def _inject(self, rank: int) -> None:
        """Low-rank matrices beside the attention's; peft freezes what it is put beside, and all else."""
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(LORA_TARGETS), lora_dropout=0.0)
        inject_adapter_in_model(config, self._body)


def _open(folder: Path, device: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError('tuning an encoder needs torch: pip install "autoglm-kb[train]"') from error
    try:
        return SentenceTransformer(str(folder), device=device)
    except (OSError, ValueError) as error:
        raise TrainingError(f"model {folder} cannot be opened for training: {error}; expected its folder") from error


@cache
def is_bf16_faster(device: str) -> bool:
    """Whether it multiplies bf16 faster than fp32: a GPU does, many processors say they know bf16 and are slower."""
    import torch

    if device != PROCESSOR:
        return bool(torch.cuda.is_bf16_supported())

    def seconds(kind: torch.dtype) -> float:
        rows, inner, columns = PROBE
        left, right = torch.ones(rows, inner, dtype=kind), torch.ones(inner, columns, dtype=kind)
        left @ right  # the first one prepares
        began = time.process_time()
        for _ in range(3):
            left @ right
        return time.process_time() - began

    return seconds(torch.bfloat16) < seconds(torch.float32)

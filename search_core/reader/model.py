"""The span reader while it is trained: a BERT with one start and one end score a token, and typed tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.answer.reader_input import TYPES
from search_core.errors import TrainingError
from search_core.reader.data import Example

if TYPE_CHECKING:
    import torch

DROPOUT = 0.1  # BERT's; none within attention, where it costs a CPU more than the product it is applied to
TYPE_NOISE = 0.02  # BERT's initializer range; types begin alike, and apart enough to grow apart
FRESH_FACTOR = 5.0  # times the rate, for what starts from nothing: types, head, rows of new pieces
BARRED = -1e4  # score of padding
TAUGHT = 0.5  # share of the loss that comes from a teacher, where there is one (Hinton et al. 2015)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of examples, padded: ids, types, mask (n, tokens); golds (n, places, 2); real (n, places) bool.

    `soft` (n, tokens, 2) is a teacher's distribution over starts and ends, zeros for examples without one; None where
    no example has one.
    """

    ids: torch.Tensor
    types: torch.Tensor
    mask: torch.Tensor
    golds: torch.Tensor
    real: torch.Tensor
    padded: bool
    soft: torch.Tensor | None


def open_model(folder: Path, seed: int) -> Any:
    """A question answering model on a BERT folder's weights, new where those have none. Raises `TrainingError`."""
    try:
        import torch
        from transformers import BertForQuestionAnswering
    except ImportError as error:
        raise ImportError('training a reader needs torch: pip install "autoglm-kb[train]"') from error
    torch.manual_seed(seed)
    try:
        model = BertForQuestionAnswering.from_pretrained(
            folder,
            hidden_dropout_prob=DROPOUT,
            attention_probs_dropout_prob=0.0,
            attn_implementation="sdpa",
            dtype=torch.float32,
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"model {folder} cannot be opened for training: {error}; expected BERT's folder") from error
    if model.config.type_vocab_size != TYPES:
        widen(model)
    return model


def widen(model: Any) -> None:
    """Give the model a table of `TYPES` token types, all near the first one: what the model knows stays as it is."""
    import torch

    old = model.bert.embeddings.token_type_embeddings.weight.detach()
    table = torch.nn.Embedding(TYPES, old.shape[1])
    with torch.no_grad():
        table.weight.copy_(old[0] + TYPE_NOISE * torch.randn(TYPES, old.shape[1]))
    model.bert.embeddings.token_type_embeddings = table
    model.config.type_vocab_size = TYPES


def groups(model: Any, rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameter groups of the optimiser: the pretrained weights, and at a higher rate the fresh ones.

    The table of pieces is among the fresh ones: of it only new rows move, see `keep_known`.
    """
    embeddings = model.bert.embeddings
    fresh = [*model.qa_outputs.parameters(), embeddings.token_type_embeddings.weight, embeddings.word_embeddings.weight]
    known = {id(weight) for weight in fresh}
    rest = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        {"params": rest, "lr": rate, "weight_decay": decay},
        {"params": fresh, "lr": rate * FRESH_FACTOR, "weight_decay": 0.0},
    ]


def keep_known(model: Any, first_new: int) -> None:
    """Before a step: rows of pieces that were known stay, since a few thousand questions meet only some of them."""
    gradient = model.bert.embeddings.word_embeddings.weight.grad
    if gradient is not None:
        gradient[:first_new] = 0.0


def collate(examples: Sequence[Example], pad: int, device: str = "cpu") -> Batch:
    """The examples as tensors, padded to the longest one."""
    import torch

    width, places = max(len(one.ids) for one in examples), max(len(one.golds) for one in examples)
    ids = torch.full((len(examples), width), pad, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    golds = torch.zeros((len(examples), places, 2), dtype=torch.long)
    real = torch.zeros((len(examples), places), dtype=torch.bool)
    taught = any(one.soft is not None for one in examples)
    soft = torch.zeros((len(examples), width, 2)) if taught else None
    for row, one in enumerate(examples):
        size = len(one.ids)
        ids[row, :size] = torch.from_numpy(one.ids)
        types[row, :size] = torch.from_numpy(one.types)
        mask[row, :size] = 1
        golds[row, : len(one.golds)] = torch.tensor(one.golds)
        real[row, : len(one.golds)] = True
        if soft is not None and one.soft is not None:
            soft[row, :size] = torch.from_numpy(one.soft).float()
    padded = bool((mask == 0).any())
    ids, types, mask, golds, real = (tensor.to(device, non_blocking=True) for tensor in (ids, types, mask, golds, real))
    return Batch(ids, types, mask, golds, real, padded, None if soft is None else soft.to(device, non_blocking=True))


def loss_of(model: Any, batch: Batch) -> torch.Tensor:
    """Mean of -log P(any of the gold spans), start and end being independent; `TAUGHT` of it a teacher's, if any."""
    import torch

    starts, ends = scores_of(model, batch)
    spans = starts.gather(1, batch.golds[..., 0]) + ends.gather(1, batch.golds[..., 1])
    gold = torch.logsumexp(spans.masked_fill(~batch.real, 2 * BARRED), dim=1)
    own = torch.logsumexp(starts, dim=1) + torch.logsumexp(ends, dim=1) - gold
    if batch.soft is None:
        return own.mean()
    said = torch.stack([torch.log_softmax(starts, dim=1), torch.log_softmax(ends, dim=1)], dim=2)
    told = -(batch.soft * said).sum(dim=(1, 2))
    share = TAUGHT * (batch.soft.sum(dim=(1, 2)) > 0)
    return ((1 - share) * own + share * told).mean()


def scores_of(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Start and end scores (n, tokens) in float32, padding barred."""
    mask = batch.mask if batch.padded else None
    output = model(input_ids=batch.ids, token_type_ids=batch.types, attention_mask=mask)
    barred = batch.mask == 0
    return (
        output.start_logits.float().masked_fill(barred, BARRED),
        output.end_logits.float().masked_fill(barred, BARRED),
    )

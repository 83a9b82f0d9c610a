"""From an architecture's `encoder.*` choices to a training, and the part of the space that this corpus calls for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Tier
from search_core.spaces.scalar import Scalar
from search_core.spaces.space import SearchSpace
from search_core.tuning.devices import PROCESSOR
from search_core.tuning.training_model import TrainingOptions, is_bf16_faster

LORA_RANK, LAST_LAYERS = 8, 2
STEPS = 270  # of a training in full
LANGUAGE_STEPS = 400  # of one that learns a language; the loss falls until there (docs/tuning-models.md)
LANGUAGE_RATE = 0.0001
BATCH = 32
FAST_LANGUAGE_BATCH = 64  # half a point of nDCG more than 32, at twice the products: two cores in fp32 cannot afford it
HELD: Mapping[
    str, Scalar
] = {  # the loss is one, steps are the rungs', shares are tried on the weights of each training
    "encoder.loss": "in-batch",
    "encoder.steps": STEPS,
    "encoder.interpolation": 1.0,
}


def language_space(space: SearchSpace, *, judged: bool) -> SearchSpace:
    """For a corpus whose words the encoder does not know: one way, the one that was measured.

    `judged`: there are enough judged questions to learn from; half of the pairs are theirs then.
    """
    chosen: dict[str, Scalar] = {
        "encoder.vocabulary": "extend",
        "encoder.train": "all-layers",
        "encoder.pairs": "mixed" if judged else "crops",
        "encoder.negatives": "in-batch",
        "encoder.learning_rate": LANGUAGE_RATE,
    }
    return _held(space, chosen)


def feedback_space(space: SearchSpace) -> SearchSpace:
    """For judged questions on a corpus in a known language: which weights, how fast, against what."""
    trained = narrowed(space, {"encoder.train": ("all-layers", "last-layers", "lora")})
    return _held(trained, {"encoder.vocabulary": "none", "encoder.pairs": "feedback"})


def training_of(
    architecture: Architecture,
    first_new_row: int | None,
    steps: int,
    device: str = PROCESSOR,
    threads: int = 1,
    *,
    fast: bool = False,
) -> TrainingOptions:
    """How the encoder of these choices is trained; `first_new_row`: of the embedding table, where it was extended."""
    train, fast = architecture["encoder.train"], trains_fast(device, fast)
    return TrainingOptions(
        steps=steps,
        batch=FAST_LANGUAGE_BATCH if fast and first_new_row is not None else BATCH,
        fast=fast,
        device=device,
        threads=threads,
        rate=float(str(architecture["encoder.learning_rate"])),
        new_rows=first_new_row,
        dropout=first_new_row is None,  # a language is learned from more text than a few hundred steps can overfit
        lora_rank=LORA_RANK if train == "lora" else 0,
        last_layers=LAST_LAYERS if train == "last-layers" else None,
    )


def trains_fast(device: str, fast: bool) -> bool:
    """Whether in bf16 and larger batches: on a GPU always, else where that was asked for and the processor gains."""
    return device != PROCESSOR or (fast and is_bf16_faster(device))


def _held(space: SearchSpace, choices: Mapping[str, Scalar]) -> SearchSpace:
    return space.only(Tier.ENCODER).held({**HELD, **choices})


def narrowed(space: SearchSpace, values: Mapping[str, tuple[Scalar, ...]]) -> SearchSpace:
    """The same space with fewer values of some decisions, the first of them their default."""
    decisions = []
    for one in space.decisions:
        when = {
            name: tuple(value for value in asked if name not in values or value in values[name])
            for name, asked in one.when.items()
        }
        kept = values.get(one.name, one.values)
        default = one.default if one.default in kept else kept[0]
        decisions.append(replace(one, values=kept, default=default, when=when))
    return replace(space, decisions=tuple(decisions))

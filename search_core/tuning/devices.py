"""Where models are trained: the processor, which replays exactly, or a GPU, which is faster and agrees nearly."""

from __future__ import annotations

from retrieval.errors import InvalidInputError

PROCESSOR = "cpu"


def check_device(name: str) -> None:
    """Raise `InvalidInputError` where PyTorch cannot use it; torch is not imported for the processor."""
    if name == PROCESSOR:
        return
    try:
        import torch

        torch.empty(1, device=name).sum().item()
    except (ImportError, RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise InvalidInputError(
            f"device {name!r} cannot be used: {why}; expected {PROCESSOR!r}, or a GPU that PyTorch sees, such as 'cuda'"
        ) from error

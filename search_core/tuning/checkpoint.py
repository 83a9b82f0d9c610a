"""The state of a training on disk, so that one that was killed goes on instead of beginning again.

One safetensors file: weights, the optimiser's moments and the state of the random numbers as tensors, all else as JSON
in its header. It is replaced as a whole, so a process that dies while it writes leaves the one before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TRAININGS = "trainings"  # the folder of a run that states are in, until the run is finished
EVERY = 25  # steps between two states: a minute of work, for a second of writing
STATE = "state"  # the name under which the JSON is in the header


class Checkpoint:
    """Where one training leaves its state. `key` says what was trained on what: another key's state is of no use."""

    def __init__(self, path: Path, key: str, every: int = EVERY) -> None:
        self.path = path
        self.every = every
        self._key = key

    def save(self, tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> None:
        """Replace what is there. Raises `OSError` where nothing can be written."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        try:
            save_file(whole, scratch, metadata={STATE: json.dumps({"key": self._key} | dict(about))})
        except SafetensorError as error:  # how it tells of a full disk
            scratch.unlink(missing_ok=True)
            raise OSError(f"training state {self.path} cannot be written: {error}") from error
        os.replace(scratch, self.path)

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Tensors and the rest, or None where there is no state of this key."""
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {}).get(STATE, "{}"))
                if about.pop("key", None) != self._key:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, about
        except (OSError, SafetensorError, ValueError):  # damaged: the training begins again
            return None

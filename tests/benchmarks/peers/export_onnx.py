"""Makes the file that Chroma would download: the model's fp32 graph, token vectors out, by PyTorch's own exporter.

.venv-peers/bin/python tests/benchmarks/peers/export_onnx.py MODEL_FOLDER TARGET_FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModel


class TokenVectors(torch.nn.Module):
    """The model with the one output that the published graph has."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        """(texts, tokens, dim)."""
        found = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return found.last_hidden_state


def main() -> None:
    """Write model.onnx and tokenizer.json into the target folder."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, tokens = torch.export.Dim("batch", min=1, max=512), torch.export.Dim("tokens", min=2, max=512)
    torch.onnx.export(
        TokenVectors(folder),
        tuple(torch.ones(2, 16, dtype=torch.int64) for _ in names),
        str(target / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_shapes={name: {0: batch, 1: tokens} for name in names},
        dynamo=True,
        external_data=False,
    )
    shutil.copy(folder / "tokenizer.json", target / "tokenizer.json")


if __name__ == "__main__":
    main()

"""Writes a tuned encoder as a sentence-transformers folder: weights, what they came from, and a card to read.

The folder is seen whole or not at all; of one that takes the place of another, a kill leaves one of both for the next
start (`retrieval.folder_exchange`). `retrieval.encoder.open_encoder` takes it by its path, makes the int8 ONNX
export once, and refuses an export that disagrees with these weights.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieval.encoder.model_folder import sha256_of
from retrieval.folder_exchange import put_in_place
from retrieval.views.folder import sync_folder

MANIFEST_FILE, CARD_FILE, WEIGHTS_FILE = "tuning.json", "README.md", "model.safetensors"
TIMINGS = ("cpu_seconds",)  # differ from run to run: kept out of the manifest, so that equal runs are equal folders
CARD = """# A sentence encoder tuned to one corpus

Tuned from a base model (weights {base_weights_sha256:.12}…) with {texts} texts and {labelled_questions} judged
questions.

| what | value |
|---|---|
| unknown tokens before | {unknown_share:.1%} |
| new pieces in the vocabulary | {new_pieces} |
| steps, batch, rate | {steps}, {batch}, {rate} |
| loss, first and last step | {first_loss}, {last_loss} |
| share of the way from the base to the trained weights | {share} |

nDCG@10 on held-out questions by that share:

{scores}

A share of 0 without new pieces means that training did not help: these are the base's weights. The held-out questions
chose the share, so they overstate its gain; only sealed questions tell what it is worth in a search. It knows the
words of its corpus and should not be used for another one without a test there.

Use: give the path of this folder as the encoder's name. Remedy for a bad result: go back to the base model.
"""


def write_model(start: Path, target: Path, weights: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """`start`'s folder with these weights, as `target`; another model there is replaced once this one is whole.

    Where `target` is the same model, which may serve, its files stay and only what is said of it is written anew.
    """
    from safetensors.torch import save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".tuned-", dir=target.parent))
    try:
        shutil.copytree(start, scratch, dirs_exist_ok=True)
        tensors = {name: weight.detach().contiguous() for name, weight in weights.items()}
        save_file(tensors, scratch / WEIGHTS_FILE, metadata={"format": "pt"})
        manifest = {name: value for name, value in report.items() if name not in TIMINGS}
        manifest["weights_sha256"] = sha256_of(scratch / WEIGHTS_FILE)
        (scratch / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        (scratch / CARD_FILE).write_text(card(report), encoding="utf-8")
        scratch.chmod(0o755)  # mkdtemp's folder is its owner's alone
        for path in (*scratch.rglob("*"), scratch):
            sync_folder(path)
        if _model(scratch) == _model(target):
            for name in (MANIFEST_FILE, CARD_FILE):
                os.replace(scratch / name, target / name)
        else:
            put_in_place(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _model(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files that make the model; none where there is no folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {str(path.relative_to(folder)): path for path in paths}
    return {name: sha256_of(path) for name, path in files.items() if name not in (MANIFEST_FILE, CARD_FILE)}


def card(report: Mapping[str, Any]) -> str:
    """The model card."""
    rows = [f"| {share} | {score} |" for share, score in report["held_out_ndcg@10"].items()]
    return CARD.format(**report, scores="\n".join(["| share | nDCG@10 |", "|---|---|", *rows]))

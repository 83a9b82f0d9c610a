"""Question answering models small enough to make in a test: random weights, saved by transformers."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest

WORDS = (
    "the a of in was is are by who what when where how many which born moved to city river pump replaced sign signs "
    "invoices over controller maria berlin paris london lives works as baker doctor teacher red green blue"
).split()
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
HIDDEN = 32


def make_tokenizer(file: Path, join: str = "[CLS] $A [SEP] $B:1 [SEP]:1") -> Any:
    """Words, letters and digits, and nothing Chinese; `join` is how two texts become one input."""
    tokenizers = pytest.importorskip("tokenizers")
    letters = [*string.ascii_lowercase, *string.digits, *",.?:;-!'"]
    pieces = [*SPECIAL, *dict.fromkeys([*WORDS, *letters, *(f"##{letter}" for letter in letters)])]
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    single = join.partition(" $B")[0]
    made.post_processor = tokenizers.processors.TemplateProcessing(single, join, special)
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(file))
    return made


def make_model(folder: Path, family: str = "bert", layers: int = 2) -> Any:
    """The folder of a reader of the BERT or RoBERTa family, and the model itself."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    join = "[CLS] $A [SEP] $B:1 [SEP]:1" if family == "bert" else "[CLS] $A [SEP] [SEP] $B [SEP]"
    size = make_tokenizer(folder / "tokenizer.json", join).get_vocab_size()
    torch.manual_seed(0)
    options = {
        "vocab_size": size,
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,  # scores that differ by more than rounding
        "pad_token_id": 0,
    }
    if family == "bert":
        model = transformers.BertForQuestionAnswering(transformers.BertConfig(**options))
    else:
        config = transformers.RobertaConfig(**options, type_vocab_size=1)
        model = transformers.RobertaForQuestionAnswering(config)
    model.eval().save_pretrained(folder)
    return model

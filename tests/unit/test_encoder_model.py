"""Reading model folders and exporting small random models: families, towers, refusals, the cache."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import small_disk
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from retrieval.encoder import ENCODERS, open_encoder
from retrieval.encoder.bert_graph import WEIGHT_MAX, quantise_columns
from retrieval.encoder.convert import INT8_BOUND, judge_int8
from retrieval.encoder.cpu import gains_by_int8
from retrieval.encoder.export import exported
from retrieval.encoder.manifest import read_manifest
from retrieval.encoder.model_folder import read_folder
from retrieval.encoder.onnx_encoder import OnnxEncoder
from retrieval.encoder.tokens import TextTokenizer
from retrieval.errors import EncoderError, OutageError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "pump", "seal", "refund", "policy", "##s", "p", "##r", "##o", "##t", "年"]
HIDDEN, LAYERS, HEADS, MAX_POSITIONS = 32, 2, 4, 64


def write_tokenizer(file: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(file))


def write_model(
    folder: Path, *, seed: int = 0, family: str = "bert", pooling: str = "mean", prompts: dict | None = None
) -> Path:
    """A random encoder in the sentence-transformers layout."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    tensors = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        tensors[f"{name}.weight"] = random.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, 0.1, outputs).astype(np.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = random.uniform(0.5, 1.5, HIDDEN).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, 0.1, HIDDEN).astype(np.float32)

    for name, rows in (("word", len(WORDS)), ("position", MAX_POSITIONS + 2), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = random.normal(0, 1, (rows, HIDDEN)).astype(np.float32)
    norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{n}" for n in range(LAYERS)):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            linear(f"{layer}.{part}", HIDDEN, HIDDEN)
        linear(f"{layer}.intermediate.dense", HIDDEN, 4 * HIDDEN)
        linear(f"{layer}.output.dense", 4 * HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        norm(f"{layer}.output.LayerNorm")
    save_file(tensors, folder / "model.safetensors")
    write_tokenizer(folder / "tokenizer.json")
    write_json(
        folder / "config.json",
        model_type=family,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        pad_token_id=0,
    )
    modules = [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json", **{f"pooling_mode_{pooling}_token{'s' * (pooling == 'mean')}": True}
    )
    write_json(folder / "sentence_bert_config.json", max_seq_length=MAX_POSITIONS)
    write_json(folder / "config_sentence_transformers.json", prompts=prompts or {})
    return folder


def write_json(file: Path, **content: object) -> None:
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(("family", "pooling"), [("bert", "mean"), ("bert", "cls"), ("xlm-roberta", "mean")])
def test_bert_shaped_models_pass_their_parity_check(tmp_path: Path, family: str, pooling: str) -> None:
    model = write_model(tmp_path / "model", family=family, pooling=pooling)
    encoder = open_encoder(str(model), tmp_path / "cache", "int8", 1)
    assert isinstance(encoder, OnnxEncoder)
    assert encoder.manifest.passage.fp32_parity >= 0.9999
    assert encoder.manifest.passage.pooling == pooling
    assert encoder.dim == HIDDEN


def test_a_single_text_is_encoded_on_the_calling_thread(tmp_path: Path) -> None:
    """Else the time of a search could not be told from that of others in the process."""
    write_model(tmp_path / "model")
    encoder = open_encoder(str(tmp_path / "model"), tmp_path / "cache")
    assert isinstance(encoder, OnnxEncoder)
    texts = ["the cat sat", "a dog"]
    together = encoder.encode_passages(texts)
    encoder.close()  # its threads
    alone = [encoder.encode_passages([text])[0] for text in texts]
    assert np.array_equal(together, np.array(alone))
    assert encoder.encode_passages([]).shape == (0, encoder.dim)


def test_prefixes_make_two_towers_of_one_model(tmp_path: Path) -> None:
    prompts = {"query": "refund ", "document": "pump "}
    plain = open_encoder(str(write_model(tmp_path / "plain")), tmp_path / "cache", "fp32", 1)
    prefixed = open_encoder(str(write_model(tmp_path / "prefixed", prompts=prompts)), tmp_path / "cache", "fp32", 1)
    np.testing.assert_allclose(prefixed.encode_queries(["seal"]), plain.encode_queries(["refund seal"]), atol=1e-6)
    np.testing.assert_allclose(prefixed.encode_passages(["seal"]), plain.encode_passages(["pump seal"]), atol=1e-6)
    assert plain.fingerprint != prefixed.fingerprint


def test_a_folder_may_hold_a_query_and_a_passage_tower(tmp_path: Path) -> None:
    alone = [open_encoder(str(write_model(tmp_path / str(n), seed=n)), tmp_path / "cache", "fp32", 1) for n in (1, 2)]
    write_model(tmp_path / "both" / "query", seed=1)
    write_model(tmp_path / "both" / "passage", seed=2)
    both = open_encoder(str(tmp_path / "both"), tmp_path / "cache", "fp32", 1)
    np.testing.assert_allclose(both.encode_queries(["pump"]), alone[0].encode_queries(["pump"]), atol=1e-6)
    np.testing.assert_allclose(both.encode_passages(["pump"]), alone[1].encode_passages(["pump"]), atol=1e-6)


def test_the_fingerprint_follows_what_shapes_the_vectors(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = str(write_model(tmp_path / "first"))
    prints = {
        open_encoder(first, cache, "fp32", 1).fingerprint,
        open_encoder(first, cache, "int8", 1).fingerprint,
        open_encoder(first, cache, "fp32", 1, max_length=16).fingerprint,
        open_encoder(str(write_model(tmp_path / "weights", seed=1)), cache, "fp32", 1).fingerprint,
        open_encoder(str(write_model(tmp_path / "pooling", pooling="cls")), cache, "fp32", 1).fingerprint,
    }
    assert len(prints) == 5
    twin = open_encoder(str(write_model(tmp_path / "twin")), cache, "fp32", 1)
    assert twin.fingerprint in prints  # same content in another folder


def test_concurrent_openers_export_once(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: exported("m", model, tmp_path / "cache", "fp32"), range(4)))
    assert len(set(opened)) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [opened[0].name]


def test_a_model_that_is_not_what_its_config_says_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    write_json(model / "config.json", **(config | {"num_hidden_layers": LAYERS + 1}))
    with pytest.raises(EncoderError, match=r"no tensor 'encoder.layer.2"):
        open_encoder(str(model), tmp_path / "cache", "fp32", 1)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("tensor", "place", "value", "found"),
    [  # the first is of ##t, which no probe text has
        (
            "embeddings.word_embeddings.weight",
            12 * HIDDEN,
            np.nan,
            "weights of 'embeddings.word_embeddings.weight' are NaN or infinite (1 of 448)",
        ),
        (
            "encoder.layer.1.output.dense.bias",
            0,
            np.inf,
            "weights of 'encoder.layer.1.output.dense.bias' are NaN or infinite (1 of 32)",
        ),
        ("embeddings.LayerNorm.weight", 0, 3e38, "the vectors of 10 of 10 probe texts"),
    ],
)
def test_a_model_that_does_not_compute_is_refused_by_name(
    tmp_path: Path, tensor: str, place: int, value: float, found: str
) -> None:
    model = write_model(tmp_path / "model")
    tensors = load_file(model / "model.safetensors")
    tensors[tensor].flat[place] = value
    save_file(tensors, model / "model.safetensors")
    with pytest.raises(EncoderError) as raised:
        open_encoder(str(model), tmp_path / "cache", "fp32", 1)
    told = str(raised.value)
    assert f"model folder {model}: {found}" in told and "Copy the folder again" in told
    assert "Traceback" not in told and "Warning" not in told
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_an_export_without_room_is_an_outage_that_leaves_nothing_behind(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    with small_disk.mounted(tmp_path / "cache", "8k") as disk:
        with pytest.raises(OutageError, match="No space left on device; free space") as raised:
            open_encoder(str(model), disk, "fp32", 1)
        assert "Traceback" not in str(raised.value)
        assert not [path for path in disk.iterdir() if path.is_dir()]


def test_an_incomplete_folder_says_what_is_missing(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (model / "tokenizer.json").unlink()
    with pytest.raises(EncoderError, match=r"tokenizer.json cannot be read"):
        open_encoder(str(model), tmp_path / "cache", "fp32", 1)
    (model / "config.json").unlink()
    with pytest.raises(EncoderError, match=r"has no config.json"):
        read_folder(model)


def test_a_broken_manifest_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(EncoderError, match="delete the folder to export again"):
        read_manifest(tmp_path)


def test_int8_that_strays_is_replaced_by_fp32_with_a_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = write_model(tmp_path / "model")
    tensors = load_file(model / "model.safetensors")
    for layer in range(LAYERS):  # a huge value that nothing reads: harmless in fp32, but it takes int8's whole range
        tensors[f"encoder.layer.{layer}.intermediate.dense.bias"][0] = 3e4
        tensors[f"encoder.layer.{layer}.output.dense.weight"][:, 0] = 0
    save_file(tensors, model / "model.safetensors")
    with caplog.at_level(logging.WARNING):
        encoder = open_encoder(str(model), tmp_path / "cache", "int8", 1)
    assert isinstance(encoder, OnnxEncoder)
    assert encoder.manifest.passage.precision == "fp32"
    assert "int8 agrees with fp32 only to cosine" in caplog.text


def test_the_int8_bound_decides() -> None:
    assert judge_int8(INT8_BOUND) == ""
    assert "using fp32" in judge_int8(INT8_BOUND - 1e-6)
    assert "using fp32" in judge_int8(float("nan"))


def test_columns_are_quantised_to_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32)
    weight[:, 3] = 0
    numbers, scale = quantise_columns(weight)
    assert np.abs(numbers * scale - weight).max() <= scale.max() / 2 + 1e-7
    assert np.abs(numbers).max() == WEIGHT_MAX
    assert 2 * 255 * WEIGHT_MAX < 2**15  # what AVX2 adds two products in


def test_coverage_counts_the_letters_of_known_words(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = TextTokenizer(tmp_path / "tokenizer.json", 4)
    assert tokenizer.coverage("refund policy pumps") == 1
    assert tokenizer.coverage("refund zebras") == 0.5
    assert tokenizer.coverage("年假") == 0.5
    assert tokenizer.coverage("prot") == 0  # p ##r ##o ##t: spelt, not known
    assert tokenizer.coverage("12 + 7 = ?") == 1  # no letters
    assert tokenizer.coverage("refund " * 3 + "zebras") == 0.75  # beyond the maximum of 4 tokens
    words = ("refund", "pumps", "zebras", "prot", "refund policy")
    assert [tokenizer.has_word(word) for word in words] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("flags", "gains"),
    [
        ("flags : fpu avx2 avx512_vnni", True),
        ("flags : fpu avx2", True),
        ("flags : fpu avx", False),
        ("Features : fp asimddp", True),
        ("", False),
    ],
)
def test_the_processor_is_asked_for_int8_products(tmp_path: Path, flags: str, gains: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    assert gains_by_int8(tmp_path / "cpuinfo") is gains
    assert not gains_by_int8(tmp_path / "absent")


def test_registered_names_are_listed() -> None:
    built_in = ["all-MiniLM-L6-v2", "bge-small-en-v1.5", "bge-small-zh-v1.5", "hash"]
    assert [entry.name for entry in ENCODERS if entry.name in built_in] == built_in, "tests may have added others"


def test_serving_imports_neither_torch_nor_the_export_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from retrieval.encoder import open_encoder\n"
        "encoder = open_encoder(sys.argv[1], Path(sys.argv[2]), 'int8', 1)\n"
        "encoder.encode_queries(['pump']); encoder.encode_passages(['seal']); encoder.coverage('pump')\n"
        "heavy = ('torch', 'transformers', 'sentence_transformers', 'onnx', 'safetensors')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(write_model(tmp_path / "model")), str(tmp_path / "cache")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("declared", "tokenizer", "longest"), [(16, 32, 16), (None, 32, 32), (None, 10**30, MAX_POSITIONS)]
)
def test_the_maximum_is_the_declared_one_else_what_the_model_takes(
    tmp_path: Path, declared: int | None, tokenizer: int, longest: int
) -> None:
    model = write_model(tmp_path / "model")
    write_json(model / "sentence_bert_config.json", max_seq_length=declared)
    write_json(model / "tokenizer_config.json", model_max_length=tokenizer)
    config = json.loads((model / "config.json").read_text())
    write_json(model / "config.json", **(config | {"max_position_embeddings": MAX_POSITIONS}))
    assert read_folder(model).max_length == longest


@pytest.mark.parametrize(
    "named", ["artifacts/encoder-a", "gone/artifacts/encoder-a", "/srv/before/artifacts/encoder-a"]
)
def test_an_encoder_that_was_tuned_here_opens_wherever_the_data_folder_is_now(tmp_path: Path, named: str) -> None:
    write_model(tmp_path / "artifacts" / "encoder-a")
    encoder = open_encoder(named, tmp_path / "models", "fp32")
    assert encoder.encode_passages(["pump seal"]).shape == (1, HIDDEN)

"""The default encoder's graph written in other ways, to be timed against the one we ship (docs/encoder.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from retrieval.encoder.bert_graph import MICROSOFT, WEIGHT_MAX, BertBuilder, build_bert, quantise_columns
from retrieval.encoder.bert_weights import BertWeights, Linear, Norm

NBITS_MIDDLE = 128  # MatMulNBits stores 8-bit weights unsigned around it
NBITS_BLOCK = 128  # inputs that share a scale


class FusedNormalisation(BertBuilder):
    """Residual and normalisation as one `SkipLayerNormalization`, as the usual fusion leaves them."""

    _change = ""

    def _residual(self, state: str, norm: Norm, change: str, name: str) -> str:
        self._change = change
        return self._node("Mul", [state, self._constant(f"{name}/gain", norm.gain)], f"{name}/residual/kept")

    def _normalise(self, rows: str, name: str) -> str:
        if not self._change:
            return super()._normalise(rows, name)
        width = self._weights.hidden
        gain = self._constant(f"{name}/unit", np.ones(width, np.float32))
        offset = self._constant(f"{name}/nought", np.zeros(width, np.float32))
        inputs = [rows, self._change, gain, offset]
        epsilon = self._weights.epsilon
        return self._node("SkipLayerNormalization", inputs, f"{name}/normal", MICROSOFT, epsilon=epsilon)


class BiasedGelu(BertBuilder):
    """The bias of the widening product added by `BiasGelu`, as the usual fusion does."""

    def _linear(self, rows: str, linear: Linear, name: str) -> str:
        if not name.endswith("/up"):
            return super()._linear(rows, linear, name)
        self._constant(f"{name}/late", linear.bias)
        return super()._linear(rows, Linear(linear.weight, np.zeros_like(linear.bias)), name)

    def _node(self, kind: str, inputs: list[str], output: str | list[str], domain: str = "", **attributes: Any) -> str:
        if kind == "Gelu":
            return super()._node(
                "BiasGelu", [inputs[0], f"{str(output).removesuffix('gelu')}up/late"], output, MICROSOFT
            )
        return super()._node(kind, inputs, output, domain, **attributes)


class MicrosoftAttention(BertBuilder):
    """`com.microsoft.MultiHeadAttention` instead of ONNX's own `Attention`."""

    def _node(self, kind: str, inputs: list[str], output: str | list[str], domain: str = "", **attributes: Any) -> str:
        if kind == "Attention":
            heads = attributes["q_num_heads"]
            return super()._node("MultiHeadAttention", inputs, output, MICROSOFT, num_heads=heads)
        return super()._node(kind, inputs, output, domain, **attributes)


class BlockwiseWeights(BertBuilder):
    """`MatMulNBits`, 8 bits, blocks of 128, integer arithmetic (accuracy level 4)."""

    def _linears_of_one_input(self, rows: str, linears: dict[str, Linear], name: str) -> list[str]:
        return [self._blockwise(rows, linear, f"{name}/{part}".rstrip("/")) for part, linear in linears.items()]

    def _blockwise(self, rows: str, linear: Linear, name: str) -> str:
        inputs, outputs = linear.weight.shape
        blocks = linear.weight.T.reshape(outputs, inputs // NBITS_BLOCK, NBITS_BLOCK)
        scale = (np.abs(blocks).max(axis=2) / (NBITS_MIDDLE - 1)).astype(np.float32)
        numbers = (np.rint(blocks / scale[..., None]) + NBITS_MIDDLE).astype(np.uint8)
        parts = [self._constant(f"{name}/w", numbers), self._constant(f"{name}/ws", scale)]
        bias = self._constant(f"{name}/b", linear.bias)
        sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": NBITS_BLOCK, "accuracy_level": 4}
        return self._node("MatMulNBits", [rows, *parts, "", "", bias], f"{name}/product", MICROSOFT, **sizes)


class OneScaleAMatrix(BertBuilder):
    """int8 weights with one scale for the whole matrix instead of one a column."""

    def _int8_linear(self, quantised: Any, linear: Linear, name: str) -> str:
        rows, scale, zero = quantised
        weight_scale = np.float32(np.abs(linear.weight).max() / 127)
        weight = self._constant(f"{name}/w", np.rint(linear.weight / weight_scale).astype(np.int8))
        constants = [weight, scale, self._constant(f"{name}/ws", np.array(weight_scale)), zero, ""]
        return self._node(
            "MatMulIntegerToFloat",
            [rows, *constants, self._constant(f"{name}/b", linear.bias)],
            f"{name}/product",
            MICROSOFT,
        )


class EightBitWeights(BertBuilder):
    """Weights up to 127: AVX2 without VNNI then saturates where it adds two products in 16 bits."""

    def _int8_linear(self, quantised: Any, linear: Linear, name: str) -> str:
        rows, scale, zero = quantised
        _, weight_scale = quantise_columns(linear.weight * np.float32(WEIGHT_MAX / 127))
        whole = np.rint(linear.weight / np.where(weight_scale == 0, 1, weight_scale)).clip(-127, 127)
        constants = [self._constant(f"{name}/w", whole.astype(np.int8)), scale]
        constants += [self._constant(f"{name}/ws", weight_scale), zero, ""]
        bias = self._constant(f"{name}/b", linear.bias)
        return self._node("MatMulIntegerToFloat", [rows, *constants, bias], f"{name}/product", MICROSOFT)


class UnsignedWeights(BertBuilder):
    """Weights as unsigned 8-bit numbers around 128 (u8u8) instead of signed ones (u8s8)."""

    def _int8_linear(self, quantised: Any, linear: Linear, name: str) -> str:
        rows, scale, zero = quantised
        signed, weight_scale = quantise_columns(linear.weight)
        weight = self._constant(f"{name}/w", (signed.astype(np.int16) + 128).astype(np.uint8))
        middle = self._constant(f"{name}/middle", np.full(weight_scale.shape, 128, np.uint8))
        constants = [weight, scale, self._constant(f"{name}/ws", weight_scale), zero, middle]
        return self._node(
            "MatMulIntegerToFloat",
            [rows, *constants, self._constant(f"{name}/b", linear.bias)],
            f"{name}/product",
            MICROSOFT,
        )


class UnfoldedGains(BertBuilder):
    """Gain and offset applied after each normalisation, so that int8 sees the activations with their outliers."""

    def _normalise(self, rows: str, name: str) -> str:
        normal = super()._normalise(rows, name)
        norm = self._norm_of(name)
        scaled = self._node("Mul", [normal, self._constant(f"{name}/g", norm.gain)], f"{name}/g_out")
        return self._node("Add", [scaled, self._constant(f"{name}/o", norm.offset)], f"{name}/o_out")

    def _norm_of(self, name: str) -> Norm:
        if name == "embed":
            return self._original.norm
        layer, part = name.split("/")
        weights = self._original.layers[int(layer.removeprefix("layer"))]
        return weights.output_norm if part == "output" else weights.down_norm

    def __init__(self, weights: BertWeights, *, int8: bool) -> None:
        self._original = weights
        super().__init__(_without_norms(weights), int8=int8)


def _without_norms(weights: BertWeights) -> BertWeights:
    from dataclasses import replace

    plain = Norm(np.ones(weights.hidden, np.float32), np.zeros(weights.hidden, np.float32))
    layers = tuple(replace(layer, output_norm=plain, down_norm=plain) for layer in weights.layers)
    return replace(weights, norm=plain, layers=layers)


def _with(builder: type[BertBuilder]) -> Callable[[BertWeights], ModelProto]:
    return lambda weights: builder(weights, int8=True).build("mean")


VARIANTS: dict[str, Callable[[BertWeights], ModelProto]] = {
    "fp32, as shipped": lambda weights: build_bert(weights, "mean", int8=False),
    "int8, as shipped": lambda weights: build_bert(weights, "mean", int8=True),
    "int8, SkipLayerNormalization": _with(FusedNormalisation),
    "int8, BiasGelu": _with(BiasedGelu),
    "int8, com.microsoft attention": _with(MicrosoftAttention),
    "int8, gains not folded": _with(UnfoldedGains),
    "int8, one scale a matrix": _with(OneScaleAMatrix),
    "int8, weights of 8 bits": _with(EightBitWeights),
    "int8, unsigned weights": _with(UnsignedWeights),
    "int8, MatMulNBits blocks of 128": _with(BlockwiseWeights),
}

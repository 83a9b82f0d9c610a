"""Builds the ONNX graph of a BERT encoder straight from its weights, shaped for ONNX Runtime's fast CPU kernels.

Same function as the published model; what differs is how it is written down (measured in docs/encoder.md):

- one text a run, so there is no padding and no mask, and int8's scale of a tensor belongs to that text alone;
- layer normalisation by `InstanceNormalization` over (tokens, 1, hidden): the same formula, vectorised, where the
  runtime would otherwise fuse residual and normalisation into `SkipLayerNormalization`, whose kernel is scalar;
- the gain and offset of a normalisation are folded into the matrices that read it (Wei et al. 2022, "Outlier
  Suppression": without the gain the activations have milder outliers, which int8 likes);
- pooling and L2 normalisation are in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder.bert_weights import Array, BertWeights, Layer, Linear, Norm

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 23  # the first with Attention
IR_VERSION = 10
MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
WEIGHT_MAX = 63  # symmetric, 7 bits: two products of 8 by 8 bits overflow the 16 bits AVX2 adds them in


def build_bert(weights: BertWeights, pooling: str, *, int8: bool) -> ModelProto:
    """Graph `input_ids` (texts, tokens) int64 -> `sentence_embedding` (texts, hidden), rows L2-normalised.

    Every text of a run must have the same number of tokens. `pooling` is "mean" or "cls".
    """
    return BertBuilder(weights, int8=int8).build(pooling)


class BertBuilder:
    """Collects nodes and constants; states are (texts * tokens, 1, hidden) between layers.

    `span_graph.SpanBuilder` puts other inputs before the layers and another head behind them.
    """

    def __init__(self, weights: BertWeights, *, int8: bool) -> None:
        self._weights = weights
        self._int8 = int8
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def build(self, pooling: str) -> ModelProto:
        """The graph of an encoder."""
        self._pool(*self._states(), pooling)
        return self._model(["input_ids"], "sentence_embedding", ["texts", self._weights.hidden])

    def _states(self) -> tuple[str, Norm]:
        """All layers; the last normalisation's gain and offset are left to what reads the states."""
        state, norm = self._embed()
        for index, layer in enumerate(self._weights.layers):
            state, norm = self._layer(state, norm, layer, f"layer{index}")
        return state, norm

    def _model(self, inputs: Sequence[str], output: str, shape: list[str | int | None]) -> ModelProto:
        """The nodes so far as a model; inputs are (texts, tokens) int64."""
        from onnx import TensorProto, helper

        fed = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in inputs]
        made = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, "encoder", fed, [made], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _embed(self) -> tuple[str, Norm]:
        weights = self._weights
        self._shared_constants()
        words = self._node("Gather", [self._constant("words", weights.words), "input_ids"], "embed/words")
        self._node("Shape", ["input_ids"], "ids_shape")
        self._node("Gather", ["ids_shape", self._constant("one", np.array([1]))], "length")
        positions = [self._constant("positions", weights.positions), self._constant("zero", np.array([0])), "length"]
        self._node("Slice", [*positions, "zero"], "embed/positions")
        self._node("Concat", ["ids_shape", self._constant("hidden", np.array([weights.hidden]))], "texts_shape", axis=0)
        total = self._node("Add", [self._typed(words), "embed/positions"], "embed/sum")
        flat = self._node("Reshape", [total, "rows_shape"], "embed/rows")
        return self._normalise(flat, "embed"), weights.norm

    def _typed(self, words: str) -> str:
        """The words with what their types add: nothing, since the positions hold the type of a single text."""
        return words

    def _shared_constants(self) -> None:
        self._constant("rows_shape", np.array([-1, 1, self._weights.hidden]))
        self._constant("unit", np.ones(1, np.float32))
        self._constant("nought", np.zeros(1, np.float32))

    def _layer(self, state: str, norm: Norm, layer: Layer, name: str) -> tuple[str, Norm]:
        context = self._attention(state, norm, layer, f"{name}/attention")
        mixed = self._linear(context, _plus(layer.output, norm.offset), f"{name}/output")
        state = self._normalise(self._residual(state, norm, mixed, f"{name}/output"), f"{name}/output")
        norm = layer.output_norm
        raised = self._linear(state, fold(norm, layer.up), f"{name}/up")
        active = self._node("Gelu", [raised], f"{name}/gelu", MICROSOFT)
        lowered = self._linear(active, _plus(layer.down, norm.offset), f"{name}/down")
        state = self._normalise(self._residual(state, norm, lowered, f"{name}/down"), f"{name}/down")
        return state, layer.down_norm

    def _attention(self, state: str, norm: Norm, layer: Layer, name: str) -> str:
        towers = {"query": layer.query, "key": layer.key, "value": layer.value}
        linears = {part: fold(norm, linear) for part, linear in towers.items()}
        rows = self._linears_of_one_input(state, linears, name)
        texts = [self._node("Reshape", [row, "texts_shape"], f"{row}/texts") for row in rows]
        heads = self._weights.heads
        context = self._node("Attention", texts, f"{name}/context", q_num_heads=heads, kv_num_heads=heads)
        return self._node("Reshape", [context, "rows_shape"], f"{name}/rows")

    def _residual(self, state: str, norm: Norm, change: str, name: str) -> str:
        """The former state with its gain (its offset is in the bias of `change`) plus the change."""
        kept = self._node("Mul", [state, self._constant(f"{name}/gain", norm.gain)], f"{name}/residual/kept")
        return self._node("Add", [kept, change], f"{name}/residual")

    def _normalise(self, rows: str, name: str) -> str:
        inputs = [rows, "unit", "nought"]
        return self._node("InstanceNormalization", inputs, f"{name}/normal", epsilon=self._weights.epsilon)

    def _pool(self, state: str, norm: Norm, pooling: str) -> None:
        """The last gain and offset are linear, so they may wait until after the mean."""
        texts = self._node("Reshape", [state, "texts_shape"], "pool/texts")
        if pooling == "mean":
            pooled = self._node("ReduceMean", [texts, "one"], "pool/mean", keepdims=0)
        else:
            first = self._constant("first", np.array(0))
            pooled = self._node("Gather", [texts, first], "pool/first", axis=1)
        scaled = self._node("Mul", [pooled, self._constant("pool/gain", norm.gain)], "pool/scaled")
        moved = self._node("Add", [scaled, self._constant("pool/offset", norm.offset)], "pool/moved")
        self._node("LpNormalization", [moved], "sentence_embedding", axis=1, p=2)

    def _linear(self, rows: str, linear: Linear, name: str) -> str:
        return self._linears_of_one_input(rows, {"": linear}, name)[0]

    def _linears_of_one_input(self, rows: str, linears: dict[str, Linear], name: str) -> list[str]:
        """One output a linear; in int8 the input is quantised once for all of them."""
        names = {part: f"{name}/{part}".rstrip("/") for part in linears}
        if not self._int8:
            return [self._float_linear(rows, linear, names[part]) for part, linear in linears.items()]
        quantised = [f"{name}/u8", f"{name}/scale", f"{name}/zero"]
        self._node("DynamicQuantizeLinear", [rows], quantised)
        return [self._int8_linear(quantised, linear, names[part]) for part, linear in linears.items()]

    def _float_linear(self, rows: str, linear: Linear, name: str) -> str:
        product = self._node("MatMul", [rows, self._constant(f"{name}/w", linear.weight)], f"{name}/product")
        return self._node("Add", [product, self._constant(f"{name}/b", linear.bias)], f"{name}/sum")

    def _int8_linear(self, quantised: Sequence[str], linear: Linear, name: str) -> str:
        rows, scale, zero = quantised
        weight, weight_scale = quantise_columns(linear.weight)
        weights = self._constant(f"{name}/w", weight), self._constant(f"{name}/ws", weight_scale)
        bias = self._constant(f"{name}/b", linear.bias)
        inputs = [rows, weights[0], scale, weights[1], zero, "", bias]
        return self._node("MatMulIntegerToFloat", inputs, f"{name}/product", MICROSOFT)

    def _node(self, kind: str, inputs: list[str], output: str | list[str], domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        outputs = [output] if isinstance(output, str) else output
        self._nodes.append(helper.make_node(kind, inputs, outputs, outputs[0], domain=domain, **attributes))
        return outputs[0]

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name


def quantise_columns(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """(inputs, outputs) as int8 and one scale an output: symmetric, largest magnitude to `WEIGHT_MAX`."""
    scale = np.abs(weight).max(axis=0) / WEIGHT_MAX
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def fold(norm: Norm, linear: Linear) -> Linear:
    """(x * gain + offset) @ W + b  =  x @ (gain W) + (b + offset W)."""
    return Linear(norm.gain[:, None] * linear.weight, linear.bias + norm.offset @ linear.weight)


def _plus(linear: Linear, offset: Array) -> Linear:
    return Linear(linear.weight, linear.bias + offset)

"""A BERT forward pass in plain numpy, straight from the paper: what an exported graph is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.encoder.bert_weights import Array, BertWeights, Layer, Linear, Norm
from retrieval.types import Vector

ERF_TERMS = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)  # Abramowitz & Stegun 7.1.26
ERF_P = 0.3275911  # same formula; its error is below 1.5e-7


def encode_tokens(weights: BertWeights, tokens: Sequence[int], pooling: str) -> Vector:
    """(hidden,), L2-normalised, of one text's token numbers (Devlin et al. 2018; pooling is "mean" or "cls")."""
    states = weights.words[list(tokens)] + weights.positions[: len(tokens)]
    states = _normalise(states, weights.norm, weights.epsilon)
    for layer in weights.layers:
        states = _layer(states, layer, weights.heads, weights.epsilon)
    pooled = states.mean(axis=0) if pooling == "mean" else states[0]
    return np.asarray(pooled / np.linalg.norm(pooled), dtype=np.float32)


def _layer(states: Array, layer: Layer, heads: int, epsilon: float) -> Array:
    mixed = _linear(_attention(states, layer, heads), layer.output)
    states = _normalise(states + mixed, layer.output_norm, epsilon)
    lowered = _linear(_gelu(_linear(states, layer.up)), layer.down)
    return _normalise(states + lowered, layer.down_norm, epsilon)


def _attention(states: Array, layer: Layer, heads: int) -> Array:
    """softmax(Q Kᵀ / √d) V a head; (tokens, hidden) in and out."""
    tokens, hidden = states.shape
    shape = (tokens, heads, hidden // heads)
    query, key, value = (_linear(states, part).reshape(shape) for part in (layer.query, layer.key, layer.value))
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(hidden // heads)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = scores / scores.sum(axis=-1, keepdims=True)
    return np.asarray(np.einsum("hqk,khd->qhd", weights, value).reshape(tokens, hidden), dtype=np.float32)


def _linear(states: Array, linear: Linear) -> Array:
    return states @ linear.weight + linear.bias


def _normalise(states: Array, norm: Norm, epsilon: float) -> Array:
    centred = states - states.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(centred / deviation * norm.gain + norm.offset, dtype=np.float32)


def _gelu(states: Array) -> Array:
    """X Φ(x), with Φ by the error function."""
    argument = np.abs(states) / np.sqrt(2)
    t = 1 / (1 + ERF_P * argument)
    series = sum(term * t ** (power + 1) for power, term in enumerate(ERF_TERMS))
    error_function = np.sign(states) * (1 - series * np.exp(-(argument**2)))
    return np.asarray(states * 0.5 * (1 + error_function), dtype=np.float32)

"""Cosines of any encoder on the scale that the weights of answers were learned on.

Texts that have nothing to do with each other lie near 0.04 with MiniLM, whose cosines those weights know, but at 0.39
with bge-small-en-v1.5: contrastive training at a low temperature leaves them there (Wang et al. 2022, E5). As they are,
such cosines would make every sentence seem to answer. So each encoder is asked once about texts of unlike subjects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.analysis.folding import HAN
from retrieval.contracts import Encoder
from retrieval.types import Vectors

Cosines = NDArray[np.float64]

KNOWN_ZERO = 0.04  # of the encoder that the weights were learned with
SLACK = 0.1  # encoders whose unlike texts lie below it stay as they are
UNLIKE = {  # whether in Chinese -> sentences of unlike subjects
    False: (
        "The lease of the warehouse ends in March next year.",
        "Tomatoes need six hours of sun a day.",
        "Her flight to Lisbon was delayed by two hours.",
        "The orchestra plays Mahler on Friday evening.",
        "Reset the router by holding the button for ten seconds.",
        "Interest on savings is paid every quarter.",
        "The bridge was closed to trucks after the inspection.",
        "Penguins keep their eggs warm between their feet.",
        "A blood test showed that her iron was low.",
        "Granite forms when magma cools slowly underground.",
    ),
    True: (
        "仓库的租约明年三月到期。",
        "番茄每天需要六小时的阳光。",
        "她去里斯本的航班晚点了两个小时。",
        "乐团周五晚上演奏马勒的作品。",
        "按住按钮十秒钟即可重置路由器。",
        "储蓄利息每个季度支付一次。",
        "检查之后这座桥禁止卡车通行。",
        "企鹅把蛋放在两脚之间保暖。",
        "验血结果显示她缺铁。",
        "岩浆在地下缓慢冷却形成花岗岩。",
    ),
}
_zeros: dict[
    tuple[str, bool], tuple[float, float]
] = {}  # by the encoder's fingerprint: the same for each of its copies


def of_answers(encoder: Encoder, question: str, passages: Sequence[str]) -> Cosines:
    """(passages,) cosines of a question with what may answer it, on the scale of the weights."""
    cosines = encoder.encode_passages(passages) @ encoder.encode_queries([question])[0]
    return _scaled(cosines, _zeros_of(encoder, question)[0])


def of_passage(encoder: Encoder, question: str, cosine: float) -> float:
    """A cosine of a question with a passage, on that scale."""
    return float(_scaled(np.array([cosine]), _zeros_of(encoder, question)[0])[0])


def of_statements(encoder: Encoder, one: str, other: str) -> float:
    """Cosine of two statements, on the scale of the weights."""
    first, second = encoder.encode_passages([one, other])
    return float(_scaled(np.array([first @ second]), _zeros_of(encoder, one)[1])[0])


def _scaled(cosines: Vectors | Cosines, zero: float) -> Cosines:
    """1 stays 1, and the encoder's zero comes to lie on the known one."""
    if zero < SLACK:
        return np.asarray(cosines, np.float64)
    return 1 - (1 - np.asarray(cosines, np.float64)) * ((1 - KNOWN_ZERO) / (1 - zero))


def _zeros_of(encoder: Encoder, text: str) -> tuple[float, float]:
    """The mean cosine of unlike texts in the text's language: as question and passage, and as passages both."""
    is_chinese = HAN.search(text) is not None
    key = encoder.fingerprint, is_chinese
    if key not in _zeros:
        texts = UNLIKE[is_chinese]
        passages, others = encoder.encode_passages(texts), ~np.eye(len(texts), dtype=bool)
        pairs = encoder.encode_queries(texts) @ passages.T, passages @ passages.T
        _zeros[key] = float(pairs[0][others].mean()), float(pairs[1][others].mean())
    return _zeros[key]

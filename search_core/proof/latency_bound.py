"""How long a search may take, as a sentence in English or Chinese says it; what says the opposite is no bound."""

from __future__ import annotations

import re

_NUMBER = r"(?<![\d.,])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_SPAN = rf"{_NUMBER}\s*-?\s*(ms|msec|millisecond|second|sec|s|毫秒|秒钟?)s?(?![a-z])"
_SECONDS = ("s", "sec", "second", "秒", "秒钟")
_NOT = r"(?:\bnot|n['’]t|\bnever|\bwithout|\bcannot) (?:(?:to|be|take|last|need) )*"
_TIME = r"(?:(?:response |answer |query |search )?(?:latency|time|delay|duration)|延迟|延时|时延|耗时|(?:响应)?时间)"
_IS = r"(?:of|is|be|at|to|为|是|在|于|[:：=])"
_BEFORE = "|".join(  # what makes the number after it the most
    (
        r"(?<!not )(?<!n['’]t )(?<!no )(?<!never )\b(?:under|below|within|(?:less|faster|quicker|shorter) than)",
        r"\b(?:at (?:the )?most|up to)",
        r"\bno (?:more|slower|longer|greater|higher) than",
        rf"{_NOT}(?:exceed(?:s|ing)?|over|above|(?:more|slower|longer|greater|higher) than)",
        rf"(?:\bmax(?:imum|imal)?\b\.?|\blimit(?:ed)?\b)(?:\s*{_TIME})?(?:\s*{_IS})*",
        rf"(?:最多|至多|顶多|最大|最长|最高|最慢|上限|限制|限定|控制)(?:{_TIME})?(?:\s*{_IS})*",
        r"[<＜]\s*=?|[≤≦⩽]",
        r"(?:不[得能应要可会该]?|[别勿未])(?:超过|超出|多于|大于|高于|长于|慢于)",
        r"(?<![找达得])不到",
        r"(?<!不)(?<!不[得能应要可会该])(?:低于|少于|小于|短于|快于)",
    )
)
_AFTER = "|".join(  # what makes the number before it the most
    (
        r"or (?:less|faster|quicker|shorter|under|below)\b",
        r"at (?:the )?most\b",
        r"(?:max(?:imum)?|tops|limit)\b",
        r"(?:以|之)[内下里]|内(?![容部存外])|为限|封顶|(?:为)?上限",
    )
)
_BOUND = re.compile(rf"(?:{_BEFORE})\s*{_SPAN}|{_SPAN}\s*(?:{_AFTER})", re.I)


def latency_bound(sentence: str) -> float | None:
    """Milliseconds; None where the sentence names none."""
    found = _BOUND.search(sentence)
    if found is None:
        return None
    number, unit = found[1] or found[3], (found[2] or found[4]).lower()
    return float(number.replace(",", "")) * (1000 if unit in _SECONDS else 1)

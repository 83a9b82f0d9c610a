"""The numbers of a statement, in digits, English words or Han numerals, against those of the text it cites.

"24 months" stands in 二十四个月 and in "two years", and neither in "24 days" nor in "124 months". Small numbers in
words count only with a unit after them: "one of two ways" and 一种 are no measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_FOLDED = str.maketrans("０１２３４５６７８９．：／－–％〇兩萬億個週鐘", "0123456789.:/--%零两万亿个周钟")
_HAN_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = dict(zip(_ONES, range(20), strict=True)) | dict(zip(_TENS, range(20, 100, 10), strict=True))
_THOUSANDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
MAX_LENGTH = 200  # characters of a number in words; beyond that it is none
COUNTED = 12  # up to here a word may only count what stands in the text: "there are two ways"

_UNITS = (  # as written, name, how many of the name it is
    (r"years?\b|yrs?\b|年", "month", 12),
    (r"months?\b|个月", "month", 1),
    (r"weeks?\b|个?(?:周|星期|礼拜)", "day", 7),
    (r"days?\b|天|日", "day", 1),
    (r"hours?\b|hrs?\b|h\b|个?(?:小时|钟头)", "minute", 60),
    (r"minutes?\b|mins?\b|分钟", "minute", 1),
    (r"seconds?\b|secs?\b|秒", "second", 1),
    (r"%|percent\b|per cent\b", "%", 1),
)
_UNIT = "|".join(f"({written})" for written, _, _ in _UNITS)
_AFTER = re.compile(rf"[ \t-]*(?:{_UNIT})", re.IGNORECASE)
_EACH = re.compile(rf"(?:[每全整]一?|\b(?:per|each|every|an?)\s+)(?:{_UNIT})", re.IGNORECASE)
_MEASURE = re.compile(r"[ \t]*[个位名次种部座人条家所届岁台件项套页份张户倍元块米克吨升度级层间门辆本步]")
_SPELT = "|".join(_WORDS)
_NUMERAL = re.compile(
    r"(?P<percent>百分之)?(?:"
    r"(?P<digits>\d+(?:[.,:/\-]\d+)*)(?:[ \t]*(?P<scale>[万亿]|(?:hundred|thousand|million|billion)\b))?|"
    r"(?P<han>[零一二两三四五六七八九十](?:[零一二两三四五六七八九十百万亿]|千(?![克米瓦卡赫]))*)"
    r"(?P<point>点[零一二三四五六七八九]+(?![十百]))?|"
    rf"\b(?P<words>(?:{_SPELT})(?:(?:[ \t-]+|[ \t]+and[ \t]+)(?:{_SPELT}|hundred|thousand|million|billion))*)\b)",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_PLAIN = re.compile(r"\d+(?:\.\d+)?")  # neither a date, a time, a range nor a version
_DOTTED_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")

Held = frozenset[tuple[str, str]]


class _Number(NamedTuple):
    """A number as it compares; `factor` times it are so many of `unit`, which is "" where none is known."""

    text: str
    value: str
    unit: str = ""
    factor: int = 1

    @property
    def measure(self) -> tuple[str, str]:
        return (_shown(Decimal(self.value) * self.factor), self.unit) if self.unit else (self.value, "")

    def stands_in(self, held: Held) -> bool:
        """Where one of the two has no unit, the number alone decides."""
        return not held.isdisjoint({self.measure, (self.value, "")} if self.unit else {(self.value, "any")})


def numbers_of(text: str) -> Held:
    """The numbers that the text holds, for `missing_number`: folded digits, 10,000 as 10000, dates in parts too."""
    folded = text.translate(_FOLDED)
    found = [one for whole in _numbers(folded, claimed=False) for one in (whole, *_parts(whole))]
    found += [_with_unit(each.group(), "1", each) for each in _EACH.finditer(folded)]
    return frozenset(one.measure for one in found) | {(one.value, "any") for one in found}


def missing_number(sentence: str, held: Held) -> str:
    """The first number of the sentence that `held` lacks, "" without one; a date or range may stand there in parts.

    A number with a unit stands there with the same duration or share, or without any unit.
    """
    for one in _numbers(sentence.translate(_FOLDED), claimed=True):
        parts = _parts(one)
        if not one.stands_in(held) and not (parts and all(part.stands_in(held) for part in parts)):
            return one.text
    return ""


def _numbers(text: str, claimed: bool) -> Iterator[_Number]:
    """Those of a claim, or all that a source may mean by its words."""
    for found in _NUMERAL.finditer(text):
        value = _value(found)
        if value is None:
            continue
        after = _AFTER.match(text, found.end())
        shown = found.group() + (after.group() if after else "")
        is_share = found["percent"] and _PLAIN.fullmatch(value)
        one = _Number(shown, value, "%") if is_share else _with_unit(shown, value, after)
        if found["digits"] or one.unit or Decimal(value) > COUNTED or (found["han"] and len(found["han"]) > 1):
            yield one
        elif not claimed and value != "1" and (found["words"] or _MEASURE.match(text, found.end())):
            yield one


def _with_unit(text: str, value: str, found: re.Match[str] | None) -> _Number:
    if found is None or not _PLAIN.fullmatch(value):
        return _Number(text, value)  # a date, a time or a range has its unit in its parts only
    _, unit, factor = _UNITS[next(n for n, written in enumerate(found.groups()) if written is not None)]
    return _Number(text, value, unit, factor)


def _value(found: re.Match[str]) -> str | None:
    if found["digits"]:
        value = _plain(found["digits"])
        scale = (_SCALES | _THOUSANDS | {"hundred": 100}).get((found["scale"] or "").lower())
        return _shown(Decimal(value) * scale) if scale and _PLAIN.fullmatch(value) else value
    if len(found.group()) > MAX_LENGTH:
        return None
    whole = _han_value(found["han"]) if found["han"] else _spelt_value(found["words"])
    point = "".join(str(_HAN_DIGITS[char]) for char in (found["point"] or "")[1:])
    return None if whole is None else f"{whole}.{point}" if point else str(whole)


def _han_value(text: str) -> int | None:
    """二十四 is 24, 三百五 is 350, 二零二四 is 2024; None where the characters make no one number (两三)."""
    if not _SCALES.keys() & set(text):
        return int("".join(str(_HAN_DIGITS[char]) for char in text)) if len(text) in (1, 4) else None
    total = section = 0
    digit: int | None = None
    last = 0  # scale that stands just before
    for char in text:
        if char in _HAN_DIGITS:
            if digit:
                return None
            digit, last = _HAN_DIGITS[char], 0 if digit == 0 or char == "零" else last
        elif _SCALES[char] < 10**4:
            if digit is None and char != "十":
                return None
            section += (1 if digit is None else digit) * _SCALES[char]
            digit, last = None, _SCALES[char]
        else:
            total = (total + section + (digit or 0)) * _SCALES[char]
            section, digit, last = 0, None, _SCALES[char]
    return total + section + (digit or 0) * (last // 10 if last > 10 else 1)


def _spelt_value(text: str) -> int | None:
    """Twenty-four is 24; None where the words make no one number (nineteen ninety)."""
    total = current = 0
    for word in re.findall("[a-z]+", text.lower()):
        if word in _WORDS:
            value = _WORDS[word]
            if current % (100 if value >= 10 else 10) or 10 < current % 100 < 20:
                return None
            current += value
        elif word == "hundred":
            current *= 100
        elif word in _THOUSANDS:
            total, current = total + current * _THOUSANDS[word], 0
        elif word != "and":  # letters that only look like those of a number
            return None
    return total + current


def _plain(number: str) -> str:
    number = number.replace(",", "") if _GROUPED.fullmatch(number) else number
    return (number.lstrip("0") or "0") if number.isdecimal() else number


def _parts(number: _Number) -> list[_Number]:
    """The numbers that a date, a time or a range is made of; none of others, as 5 is no part of 3.5."""
    at = r"\." if _DOTTED_DATE.fullmatch(number.value) else "[:/-]"
    parts = re.split(at, number.value)
    return [_Number(part, _plain(part)) for part in parts] if len(parts) > 1 else []


def _shown(value: Decimal) -> str:
    return format(value.normalize(), "f")

"""What a question asks for: its content words, the names and numbers in it, and the kind of thing that answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from retrieval.analysis.folding import HAN


class Tokens(Protocol):
    """The part of the analyzer that answering needs."""

    def tokens(self, text: str) -> Sequence[str]:
        """The tokens of `text` as both index legs know them."""
        ...

    def spans(self, text: str) -> Sequence[tuple[str, int, int]]:
        """(token, start, end) of the same tokens."""
        ...


class Kind(StrEnum):
    """The kind of thing that answers a question."""

    PERSON = "person"
    TIME = "time"
    NUMBER = "number"
    PLACE = "place"
    REASON = "reason"
    METHOD = "method"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart. `terms` are distinct content tokens; `keys` those of its names, codes and numbers.

    `neighbours` are the terms whose characters overlap a term's, which only Han bigrams have.
    """

    text: str
    kind: Kind
    terms: tuple[str, ...]
    keys: frozenset[str]
    neighbours: Mapping[str, frozenset[str]]


# Words that carry no topic. Question words are here too: they say the kind, not the topic.
_STOP = frozenset(
    """a an the this that these those some any each every all both either neither no not nor and or but if then than so
    as at by for from in into of off on onto out over per to up upon with within without about above after again against
    before below between down during further once through under until while because i me my we us our ours you your
    yours he him his she her hers it its they them their theirs one who whom whose which what when where why how am is
    are was were be been being do does did doing done have has had having can could may might must shall should will
    would ought also just only very too more most much many such same other another there here tell give show shows
    explain describe find please know want need let's let hi hello thanks thank name named called s t d ll m re ve don
    doesn didn isn aren wasn weren""".split()
)
# Question phrases and particles; characters that often are part of a word (都 of 首都, 和 of 和平) are not among them,
# nor is 多 with a measure in another word (许多大学, 最多大约, 多重身份).
_HAN_STOP = re.compile(
    "请问一下|请问|告诉我|我想知道|为什么|为什麼|是什么|是什麼|什么时候|什么|什麼|甚么|多少钱|多少|哪一个|哪一|哪个|哪些|哪里|哪儿|哪年|"
    "(?<![许很众最诸更太不])[有要]?(?:多长时间|多久|多长|多大(?![约概学])|多[高远]|多重(?!\\w))|几个月|几个|几[年月天日点号岁]|几(?=小时|分钟|周|星期)|"
    "(?<!\\w)那么?(?=\\w{1,20}呢)|哪位|哪家|哪种|哪|谁|誰|如何|怎么样|怎么办|怎样|怎么|怎麼|何时|何处|何地|何人|为何|吗|呢|吧|啊|有没有|是不是|"
    "能不能|可不可以|可以|应该|需要|有哪|我们|你们|他们|她们|它们|这个|那个|的|了|是|在|被|把|于|我|你|您|他|她|它"
)
_LATIN = "A-Za-z0-9\u00c0-\u024f"  # with accents: of "für" and "médecin" no letter is a word
_WORD = re.compile(rf"[{_LATIN}][{_LATIN}'’_.\-/&+#]*[{_LATIN}+#]|[{_LATIN}]")
_CONTRACTION = re.compile("(?:['’](?:s|t|d|ll|m|re|ve))+$")  # of "what's"; D'Souza is a name
_TOPIC = re.compile(rf"{_WORD.pattern}|[^\W\d{_LATIN}_]+")
_QUOTED = re.compile(r"[“\"「『《〈]([^”\"」』》〉]{1,60})[”\"」』》〉]")
_HAN_NUMBER = re.compile(r"[零一二三四五六七八九十百千万亿两\d]{2,}")

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.NUMBER, r"\bhow (?:many|much|long|old|often|far|tall|large|big|high|deep|fast|wide|heavy)\b"),
        (
            Kind.NUMBER,
            r"\b(?:what|which) (?:\w+ )?(?:number|percentage|percent|price|cost|amount|rate|population|size)\b",
        ),
        (Kind.NUMBER, "多少|第几|几[个位名次种部座人条家所集届岁天年月公]|多[大高长远久深重宽]"),
        # "What to do when …" and "When …, what to do?" ask no time.
        (Kind.TIME, r"^(?:(?!\b(?:what|how|why|who|which|where)\b).)*\bwhen\b(?!.*,\s*(?:what|how|why)\b)"),
        (Kind.TIME, r"\b(?:what|which) (?:\w+ )?(?:year|date|day|month|decade|century|time|era|period)\b"),
        (Kind.TIME, "什么时候|(?<!任)何时|哪[一]?[年天月日]|哪个(?:年代|世纪|时期|朝代)|几[年月日号点]|时间|日期"),
        (
            Kind.PERSON,
            r"\b(?:who|whom|whose)\b|\b(?:what|which) (?:\w+ )?(?:person|man|woman|scientist|author|leader)\b",
        ),
        (Kind.PERSON, "谁|誰|(?<!任)何人|哪位|什么人"),
        (Kind.PLACE, r"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|state|place|region|location|area|town)\b"),
        (Kind.PLACE, "哪里|哪儿|(?<![如为任])何[处地]|什么地方|哪个(?:国家|城市|省|市|县|地区|地方)|位于哪"),
        (Kind.REASON, r"\bwhy\b|\bwhat (?:caused?|reasons?)\b|为什么|为何|原因|为什麼"),
        (Kind.METHOD, r"\bhow (?:do|can|to|should|does|is|are)\b|如何|怎么|怎样|怎麼"),
    )
)

_REMEDY = re.compile(
    r"\bwhat (?:to|should|can|must|shall) (?:\w+ )?do\b|\bwhat do (?:I|we) do\b|"
    r"\bhow (?:\w+ ){0,3}?(?:fix|solve|resolve|repair|remedy|mend)\b|"
    "怎么办|怎样办|(?:怎么|怎样|如何)(?:处理|解决|处置|排除|修复|恢复)",
    re.IGNORECASE,
)
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_WHEN = re.compile(
    rf"\b(?:1\d{{3}}|20\d\d)s?\b|\b{_MONTH}\b|\b\d{{1,2}}(?:st|nd|rd|th)? century\b|\bcentury\b|\b\d{{1,2}}:\d\d\b|"
    r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|\b\d{4}-\d\d-\d\d\b|\b(?:days?|weeks?|months?|years?)\b|"
    r"\d+\s*年|\d+\s*月|[一二三四五六七八九十〇]+年|世纪|年代|年间|[上下]半年|星期|周[一二三四五六日]|[唐宋元明清汉]朝"
)
_HOW_MANY = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|"
    r"million|billion|half|dozen|several|once|twice)\b|[零一二三四五六七八九十百千万亿两]+[个位名次种部座人条家所集届岁天年月米元]",
    re.IGNORECASE,
)
_MONEY_ASKED = re.compile(
    r"\bhow much (?:\w+ )*?(?:cost|pay|paid|charged?)\b|\bhow much (?:is|are) (?:the|an?)\b|"
    r"\b(?:what|which) (?:\w+ )*?(?:price|cost|fee)\b|多少钱|(?:价格|售价|费用).*多少",
    re.IGNORECASE,
)
# Amounts by their currency, their size or the word before them; in a table's row a number may be alone in its cell.
_PRICE = re.compile(
    r"[$€£¥￥₹]\s?\d|\b(?:EUR|USD|GBP|CHF|CNY|RMB|JPY)\s?\d|\d\s?(?:[$€£¥元块]|[万亿千百]|EUR\b|USD\b|GBP\b|CHF\b|CNY\b|RMB\b|"
    r"JPY\b|(?:\w+ )?(?:euros?|dollars?|pounds?|francs?|yuan|yen|cents?|pence|(?:m|b|tr)illions?|thousand)\b)|"
    r"\b(?:costs?|prices?|priced|fees?|charges?|paid|pays?)\b[^.!?]{0,40}?\d|[价费][^。！？]{0,10}?\d|\bfree\b|免费|"
    r"\|\s*\d[\d.,]*\s*\|",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’\-]+(?:\s+(?:(?:of|de|van|von|the|al)\s+)?[A-Z][\w'’\-]*)*")
_HAN_WHO = re.compile(
    "由|先生|女士|教授|导演|作者|创办|创立|发明|提出|担任|主演|编剧|之子|皇帝|总统|将军|[\u4e00-\u9fff]·[\u4e00-\u9fff]"
)
_HAN_WHERE = re.compile("位于|地处|坐落|出生于|[省市县区镇村州国岛山河]")
_BECAUSE = re.compile(
    r"\b(?:because|due to|since|as a result|so that|therefore|in order to|caused)\b|因为|由于|因此|所以|为了|导致", re.I
)


def read_question(text: str, analyzer: Tokens) -> Question:
    """The question taken apart; a question of stop words only has no terms."""
    spans = content_spans(text, analyzer)
    terms = tuple(dict.fromkeys(token for token, _, _ in spans))
    keys = frozenset(token for name in _names(text) for token in analyzer.tokens(name))
    return Question(text, question_kind(text), terms, keys & frozenset(terms), _neighbours(spans))


def content_tokens(text: str, analyzer: Tokens) -> frozenset[str]:
    """The tokens of the text's topic words, without stop words; empty where it has none."""
    return frozenset(token for token, _, _ in content_spans(text, analyzer))


def content_spans(text: str, analyzer: Tokens) -> list[tuple[str, int, int]]:
    """(token, start, end) but English stop words and Han bigrams that overlap a question phrase or particle."""
    plain = _without_stop_words(text)
    stops = frozenset(position for found in _HAN_STOP.finditer(plain) for position in range(*found.span()))
    return [span for span in analyzer.spans(plain) if stops.isdisjoint(range(*span[1:]))]


def topic_words(text: str) -> list[str]:
    """The words of the text as written, without stop words; a run of Han without its question words is one."""
    return _TOPIC.findall(_HAN_STOP.sub(" ", _without_stop_words(text)))


def question_kind(text: str) -> Kind:
    """The kind of thing that answers the question, by its question words; OTHER where they do not tell."""
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), Kind.OTHER)


def asks_for_remedy(text: str) -> bool:
    """Whether it asks what to do about something."""
    return _REMEDY.search(text) is not None


def fits_kind(kind: Kind, sentence: str, question: str) -> bool:
    """Whether the sentence holds something of that kind which the question does not already name."""
    if kind is Kind.TIME:
        return _has_new(_WHEN, sentence, question)
    if kind is Kind.NUMBER:
        is_amount = not _MONEY_ASKED.search(question) or _PRICE.search(sentence) is not None
        return is_amount and _has_new(_HOW_MANY, sentence, question)
    if kind is Kind.PERSON:
        return _has_new(_NAME, sentence, question) or _HAN_WHO.search(sentence) is not None
    if kind is Kind.PLACE:
        return _has_new(_NAME, sentence, question) or _HAN_WHERE.search(sentence) is not None
    if kind is Kind.REASON:
        return _BECAUSE.search(sentence) is not None
    return False


def _has_new(pattern: re.Pattern[str], sentence: str, question: str) -> bool:
    asked = question.lower()
    return any(found.group().lower() not in asked for found in pattern.finditer(sentence))


def _neighbours(spans: Sequence[tuple[str, int, int]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for (left, _, end), (right, start, _) in zip(spans, spans[1:], strict=False):
        if start < end and HAN.match(left) and HAN.match(right):
            found[left] = found.get(left, frozenset()) | {right}
            found[right] = found.get(right, frozenset()) | {left}
    return found


def _without_stop_words(text: str) -> str:
    """The text with English stop words blanked out, all else at its place; acronyms (IT, US) are no stop words."""
    shouts = text.isupper()
    return _WORD.sub(lambda found: _blanked(found.group(), shouts), text)


def _blanked(word: str, shouts: bool) -> str:
    is_acronym = len(word) > 1 and word.isupper() and not shouts
    return " " * len(word) if _CONTRACTION.sub("", word.lower()) in _STOP and not is_acronym else word


def _names(text: str) -> list[str]:
    """Stretches that name something: quoted, capitalised (not as the first word only), with digits."""
    names = [found.group(1) for found in _QUOTED.finditer(text)]
    first = True
    for found in _WORD.finditer(text):
        word = found.group()
        has_digit = any(char.isdigit() for char in word)
        if has_digit or (word[0].isupper() and not first) or (word.isupper() and len(word) > 1):
            names.append(word)
        first = text[found.end() : found.end() + 1] in (".", "?", "!")
    return names + [found.group() for found in _HAN_NUMBER.finditer(text)]

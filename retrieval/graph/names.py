"""The things a text names, by rules alone: names, titles, codes, quantities and phrases, in English and Chinese.

English: runs of capitalised words, quoted spans, product codes, quantities, phrases that the passage repeats. Chinese:
what stands in 《》 “” 「」, runs between function words and punctuation, and strings that the passage repeats with
different characters before and after them (what boundary entropy measures, within one passage). What a passage names
depends on that passage alone, so a change elsewhere in the corpus never changes it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from retrieval.analysis.folding import fold

MAX_WORDS = 6  # of a name
MAX_NAME_LENGTH = 60  # characters
MAX_NAMES = 64  # of a passage: a list of a thousand parts is not about each of them
CHINESE_RUN = range(3, 9)  # characters of a run that counts as a name when it stands alone
CHINESE_REPEAT = range(2, 7)  # characters of a string that counts when it is repeated
MAX_REPEATED = 3_000  # characters of a passage in which repetition is looked for

_CAPITAL = r"(?:[A-ZÀ-ÖØ-Þ][\w’'&-]*\w|[A-Z]\.(?:[A-Z]\.)*|[A-ZÀ-ÖØ-Þ])"
_JOINT = r"(?:of|the|de|la|le|du|des|del|da|di|van|von|der|den|and|for|in|on|to|bin|ibn|al|el|y|&)"
_CAPITALISED = re.compile(rf"(?<![\w-]){_CAPITAL}(?:(?: +{_JOINT}){{0,2}} +(?:{_CAPITAL}|\d+(?![\w.])))*")
_QUOTED = re.compile(r"[\"“«„]([^\"“”«»„\n]{2,60})[\"”»“]|``([^`'\n]{2,60})''")
_CHINESE_QUOTED = re.compile(r"[《「『〈【]([^《》「」『』〈〉【】\n]{2,40})[》」』〉】]")
_CODE = re.compile(
    r"(?<![A-Za-z0-9_.-])(?=[A-Za-z0-9_./-]*\d)(?=[\d_./-]*[A-Za-z])[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)*(?![A-Za-z0-9_-])"
)
_UNITS = (
    "mm|cm|km|m|kg|mg|g|kW|kWh|W|V|mA|A|Hz|kHz|MHz|GHz|KB|MB|GB|TB|ms|min|h|days?|months?|years?|hours?|bar|Nm|rpm|°C|℃|%"
    "|毫米|厘米|公里|米|千克|公斤|克|伏|安|瓦|赫兹|个月|小时|分钟|天|年|元|万元|吨|人"
)
_QUANTITY = re.compile(rf"(?<![A-Za-z0-9_.,-])\d+(?:[.,]\d+)?[ -]?(?:{_UNITS})(?![A-Za-z])")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\"“(]\s*)$")
_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_HAN_JOINTS = re.compile(r"[的了是在和与或及等对为于从到被把将而但也都就并其这那吗呢吧啊么我你您他她它们着]+")
_LOWER_RUN = re.compile(r"[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*")
_ASKED_WORD = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_PARENTHESIS = re.compile(r"\s*[(（][^()（）]*[)）]\s*")

# Words that begin a sentence or a heading without being part of a name, and that part phrases.
_COMMON = frozenset(
    "a about above after again against all also although among an and any are as at be became because been before "
    "being below between both but by can could did do does doing down during each few first for from further had "
    "has have he her here hers him his how however i if in into is it its itself just later like many may might "
    "more most much must my no nor not now of off on once one only onto or other our out over own per same second "
    "she should since so some such than that the their them then there these they this those three through thus to "
    "too two under until up upon us very was we well were what when where whether which while who whom whose why "
    "will with within without would yet you your".split()
)


def names_in(title: str, heading: str, text: str) -> list[str]:
    """Folded names in a passage, each once, the most telling kinds first; at most `MAX_NAMES`."""
    whole = "\n".join(part for part in (title, heading, text) if part)
    found: dict[str, None] = {}
    for names in (_quoted(whole), _codes(whole), _capitalised(whole), _chinese(whole), _phrases(whole, title, heading)):
        for name in names:
            if _is_name(name):
                found.setdefault(name, None)
    return list(found)[:MAX_NAMES]


def title_names(title: str) -> list[str]:
    """What other passages may call a document of this title: the title, without its parenthesis, before its comma."""
    forms = [title, _PARENTHESIS.sub(" ", title)]
    forms.append(forms[1].split(",")[0] if "," in forms[1] else "")
    return [name for name in dict.fromkeys(normal(form) for form in forms) if _is_name(name)]


def asked_names(query: str) -> list[str]:
    """Every stretch of a question that could be a name: up to `MAX_WORDS` words, or 2 to 8 Chinese characters."""
    folded = fold(query)
    words = [word.removesuffix("'s").removesuffix("’s") for word in _ASKED_WORD.findall(_HAN_RUN.sub(" ", folded))]
    found: dict[str, None] = {}
    for length in range(1, MAX_WORDS + 1):
        found.update(dict.fromkeys(" ".join(words[at : at + length]) for at in range(len(words) - length + 1)))
    for run in _HAN_RUN.findall(folded):
        for length in range(2, CHINESE_RUN.stop):
            found.update(dict.fromkeys(run[at : at + length] for at in range(len(run) - length + 1)))
    found.update(dict.fromkeys((*_quoted(query), *_codes(query))))
    return [name for name in found if _is_name(name) and not name.startswith("the ")]


def normal(name: str) -> str:
    """The name as it is compared: folded, without article, possessive and outer punctuation."""
    folded = " ".join(fold(name).strip(" \t\n.,;:!?'’\"“”-").split())
    for ending in ("'s", "’s"):
        folded = folded.removesuffix(ending)
    return folded.removeprefix("the ")


def _is_name(name: str) -> bool:
    return 2 <= len(name) <= MAX_NAME_LENGTH and name not in _COMMON and not name.isdecimal()


def _quoted(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        quoted = match[1] or match[2]
        if len(quoted.split()) <= MAX_WORDS:
            yield normal(quoted)
    for match in _CHINESE_QUOTED.finditer(text):
        yield normal(match[1])


def _codes(text: str) -> Iterator[str]:
    """Product codes and quantities, without blanks."""
    for match in (*_CODE.finditer(text), *_QUANTITY.finditer(text)):
        yield re.sub(r"[\s]", "", normal(match[0]))


def _capitalised(text: str) -> Iterator[str]:
    """Names in capitals, and what is contained in the long ones."""
    alone: Counter[str] = Counter()
    for match in _CAPITALISED.finditer(text):
        words = match[0].split()
        while words and words[0].lower() in _COMMON:
            words = words[1:]
        if not words:
            continue
        if len(words) == 1 and len(match[0].split()) == 1 and not _is_certain(words[0]):
            # A capital at the start of a sentence says nothing, unless the word has one elsewhere too.
            alone[words[0]] += 1 if _SENTENCE_START.search(text, max(0, match.start() - 4), match.start()) else 2
            continue
        yield from _stretched(words)
    for word, weight in alone.items():
        if weight >= 2:
            yield normal(word)


def _is_certain(word: str) -> bool:
    """Whether a word alone is a name wherever it stands: an abbreviation."""
    return len(word) > 1 and word.isupper()


def _stretched(words: list[str]) -> Iterator[str]:
    """The whole name; its runs of capitals and what two words and more of them say; two runs with their joint."""
    if len(words) <= MAX_WORDS:
        yield normal(" ".join(words))
    runs: list[tuple[int, int]] = []  # start and end of the stretches without a joint
    for at, word in enumerate(words):
        if word[0].islower() or word == "&":
            continue
        if runs and runs[-1][1] == at:
            runs[-1] = runs[-1][0], at + 1
        else:
            runs.append((at, at + 1))
    for start, end in runs:
        yield from (
            normal(" ".join(words[low:high]))
            for low in range(start, end)
            for high in range(low + 2, min(end, low + MAX_WORDS) + 1)
        )
    for (start, _), (_, end) in zip(runs, runs[1:], strict=False):
        if end - start <= MAX_WORDS:
            yield normal(" ".join(words[start:end]))


def _phrases(text: str, title: str, heading: str) -> Iterator[str]:
    """Two or three words between common ones that the passage says twice, or once in its title or heading."""
    counts: Counter[str] = Counter()
    for run in _LOWER_RUN.findall(text.lower()):
        words = run.split(" ")
        start = 0
        for end in range(len(words) + 1):
            if end == len(words) or words[end] in _COMMON:
                counts.update(_short_stretches(words[start:end]))
                start = end + 1
    above = fold(f"{title}\n{heading}")
    for phrase, count in counts.items():
        if count >= 2 or phrase in above:
            yield normal(phrase)


def _short_stretches(words: list[str]) -> Iterator[str]:
    for length in (2, 3):
        for at in range(len(words) - length + 1):
            yield " ".join(words[at : at + length])


def _chinese(text: str) -> Iterator[str]:
    """Runs that stand alone, then strings that are repeated between different characters."""
    folded = fold(text)
    runs = [part for run in _HAN_RUN.findall(folded) for part in _HAN_JOINTS.split(run) if len(part) > 1]
    yield from (run for run in dict.fromkeys(runs) if len(run) in CHINESE_RUN)
    yield from _repeated(runs)


def _repeated(runs: Iterable[str]) -> Iterator[str]:
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    seen: Counter[str] = Counter()
    left = MAX_REPEATED
    for number, run in enumerate(runs):
        left -= len(run)
        if left < 0:
            break
        for length in CHINESE_REPEAT:
            for at in range(len(run) - length + 1):
                string = run[at : at + length]
                seen[string] += 1
                # The edge of a run differs from every character and from every other edge.
                before.setdefault(string, set()).add(run[at - 1] if at else f"<{number}")
                after.setdefault(string, set()).add(run[at + length] if at + length < len(run) else f">{number}")
    for string, count in seen.items():
        if count >= 2 and len(before[string]) >= 2 and len(after[string]) >= 2:
            yield string

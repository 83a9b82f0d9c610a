"""Follow-up questions made to stand alone: where one leans on the conversation, the last question's topic is added."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.analysis.folding import HAN
from retrieval.answer.question import topic_words
from retrieval.answer.types import Turn
from retrieval.answer.variants import additions
from retrieval.types import MAX_QUERY_LENGTH

_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|her|his|hers|its|them|their|theirs|this|that|these|those|there|then|one|ones|the same)\b",
    re.IGNORECASE,
)
_OPENS_ELLIPSIS = re.compile(
    r"^\s*(?:and|or|but|what about|how about|also|so|then|why|when|where|who|how)\b", re.IGNORECASE
)
_EXISTENTIAL = re.compile(
    r"\b(?:is|are|was|were|will|can|be) there\b|\bthere (?:is|are|was|were|will)\b|\bit (?:is|be) possible\b", re.I
)
_HAN_PRONOUN = re.compile(
    "(?<![其吉])他(?!人)们?|(?<!其)它们?|她们?|这[个种些位项款]?|那[个种些位项款]?(?!么)|其(?!他|它|实|中)|"
    "(?<!应)该(?![如怎不由找去])|(?<![因如彼从])此(?!外)|上述|前者|后者|同样"
)
_HAN_ELLIPSIS = re.compile(r"^(?:那么?|还有|另外|以及|然后|而且|再|为什么|怎么|什么时候|多少|几)|(?:呢|呢？|呢\?)$")
_VERB = re.compile(r"is|are|was|were|has|have|had|do|does|did|can|could|may|must|shall|should|will|would", re.I)
_BEFORE_VERB = re.compile(rf"who|what|i|you|we|they|he|she|it|to|not|{_VERB.pattern}", re.I)
FEW_WORDS = 3  # a question with at most so many topic words and an elliptic opening leans on the one before
FEW_HAN = 6  # the same in Han characters
MAX_ADDED = 12  # topic words taken from the conversation
MAX_WORD = 100  # characters of one; a longer run is no topic but a key, a digest or a slip of the keyboard


def standalone_question(history: Sequence[Turn], question: str) -> str:
    """The question, preceded by the topic words of the user's last standalone question where it leans on that.

    It leans when it holds a pronoun, opens like a continuation ("and …", "what about …", "那…呢"), or has no topic
    word of its own. What the conversation added to a model that it names plainly ("and the C3?" after the C3 Pro) is
    left behind. Otherwise, without a conversation, and where a search would not take more, it comes back as it is.
    """
    earlier = [turn.text for turn in history if turn.role == "user"]
    if not earlier or not leans(question):
        return question.strip()
    topic = [word for word in _topic(earlier) if len(word) <= MAX_WORD]
    others = additions(question, " ".join(earlier))
    added = [word for word in topic if word.lower() not in question.lower() and word not in others][:MAX_ADDED]
    alone = " ".join([*added, question.strip()])
    return alone if len(alone) <= MAX_QUERY_LENGTH else question.strip()


def leans(question: str) -> bool:
    """Whether the question cannot be understood without what was said before."""
    text = question.strip()
    topic = topic_words(text)
    if not topic:
        return True
    if HAN.search(text):
        short = len("".join(topic)) <= FEW_HAN
        return bool(_HAN_PRONOUN.search(text)) or (short and bool(_HAN_ELLIPSIS.search(text.rstrip("？?。! "))))
    plain = _EXISTENTIAL.sub(" ", _without_relatives(text))
    if any(text.isupper() or not _is_acronym(found.group()) for found in _PRONOUN.finditer(plain)):
        return True
    return len(topic) <= FEW_WORDS and _continues(text, topic)


def _is_acronym(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _without_relatives(text: str) -> str:
    """The text without each "that" which only joins what a noun is said to do ("invoices that exceed …") to it."""
    words = text.split()
    return " ".join(word for at, word in enumerate(words) if word != "that" or not _is_relative(words, at))


def _is_relative(words: Sequence[str], at: int) -> bool:
    """Whether a word follows, and before it stands a topic word that is no verb, as one after "who" or "I" would be."""
    if at < 2 or at + 1 == len(words) or not topic_words(words[at - 1]):
        return False
    return bool(_VERB.fullmatch(words[at + 1])) or not _BEFORE_VERB.fullmatch(words[at - 2])


def _continues(text: str, topic: Sequence[str]) -> bool:
    opening = _OPENS_ELLIPSIS.match(text)
    if opening is None:
        return False
    is_bare = opening.group().strip().lower() in ("why", "when", "where", "who", "how")
    return not is_bare or len(text.split()) <= 2


def _topic(earlier: Sequence[str]) -> list[str]:
    """Topic words of the last question that stands alone, then of those that leaned on it."""
    words: list[str] = []
    for text in reversed(earlier):
        words = [*topic_words(text), *words]
        if not leans(text):
            break
    return list(dict.fromkeys(words))

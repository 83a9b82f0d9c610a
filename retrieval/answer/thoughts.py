"""What a reasoning model writes before its answer, which is no part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_THINK = re.compile(r"<(/?)think>")
_TAGS = ("<think>", "</think>")
_REASONERS = re.compile(r"\br1\b|qwq|thinking|reason", re.I)  # DeepSeek-R1, QwQ-32B, Qwen3-4B-Thinking-2507, …


class Thought(str):
    """A piece of a reply that the server has told apart from its text: it was written, and is no part of the answer."""

    __slots__ = ()


def may_open_thinking(model: str) -> bool:
    """Whether the name is of a model whose chat template may open the thoughts, so that only their end is written.

    A server that parses thoughts shows neither.
    """
    return _REASONERS.search(model) is not None


def without_thoughts(pieces: Iterable[str], hold: bool = False) -> Iterator[str | None]:
    """The text outside the `<think>` blocks that reasoning models begin with; tags may be cut between pieces.

    A `Thought` is dropped as it is.

    A block opens where only white space stands before it; further on, the tags are words of the answer. Where a chat
    template has opened the block, only its end is written: None says then that all before was a thought. With `hold`
    nothing leaves before that end, or the reply's.
    """
    pending, held, has_begun, is_thought, is_quoted = "", "", False, False, False
    for piece in pieces:
        if isinstance(piece, Thought):
            continue
        pending += piece
        while found := _THINK.search(pending):
            text, ends = pending[: found.start()], bool(found.group(1))
            pending = pending[found.end() :]
            has_begun = has_begun or (not is_thought and bool(text.strip()))
            if is_thought:
                is_thought = not ends
            elif has_begun and ends and not is_quoted:
                yield None
                held, hold, has_begun = "", False, False
            elif has_begun:
                held, is_quoted = held + text + found.group(), not ends
            else:
                is_thought = not ends
        kept = len(pending) - _begun_tag(pending)
        if not is_thought:
            held += pending[:kept]
            has_begun = has_begun or bool(pending[:kept].strip())
        pending = pending[kept:]
        if not hold:
            yield held
            held = ""
    yield held if is_thought else held + pending


def _begun_tag(text: str) -> int:
    """How many characters at the end may become a tag."""
    most = min(len(text), len(_TAGS[1]) - 1)
    return next((n for n in range(most, 0, -1) if any(tag.startswith(text[-n:]) for tag in _TAGS)), 0)

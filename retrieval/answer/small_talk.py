"""What is said where nothing was asked: a greeting, thanks, a farewell, or the question what this can do.

Only whole messages count, and only where the passages answer nothing, so that no question is taken for small talk.
"""

from __future__ import annotations

import re

from retrieval.analysis.folding import HAN, fold

_WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_PHRASES = {  # folded, words with one blank between them
    "greeting": (
        "hi, hello, hey, hi there, hello there, hey there, hallo, good day, greetings, good morning, good afternoon, "
        "good evening, how are you, hello how are you, hi how are you, "
        "你好, 您好, 你们好, 大家好, 嗨, 哈喽, 早上好, 上午好, 下午好, 晚上好, 在吗, 在么, 你在吗, 有人吗, 你好吗"
    ),
    "thanks": (
        "thanks, thank you, thx, many thanks, thanks a lot, thank you very much, thank you so much, ok thanks, "
        "ok thank you, okay thanks, great thanks, perfect thanks, thanks for your help, "
        "谢谢, 谢谢你, 谢谢您, 多谢, 非常感谢, 感谢, 好的谢谢, 谢啦, 谢了"
    ),
    "farewell": "bye, goodbye, bye bye, see you, see you later, good night, have a nice day, 再见, 拜拜, 回头见, 晚安",
    "abilities": (
        "help, who are you, what are you, what can you do, what do you do, what can i ask, what can i ask you, "
        "how can you help, how can you help me, what can you help me with, how does this work, "
        "帮助, 你是谁, 您是谁, 你能做什么, 你会做什么, 你可以做什么, 你能干什么, 你会什么, 你能帮我什么, "
        "你能帮我做什么, 我可以问什么, 可以问什么"
    ),
}
_REPLIES = {  # in English and Chinese
    "greeting": (
        "Hello. Ask me a question: I answer from the documents and name my sources.",
        "你好！请提问，我会根据文档回答，并注明出处。",
    ),
    "thanks": ("You are welcome.", "不客气。"),
    "farewell": ("Goodbye.", "再见！"),
    "abilities": (
        "I answer questions from the documents of this knowledge base, name my sources, and say so where there is no "
        "answer in them.",
        "我根据知识库中的文档回答问题，并注明出处；文档中没有答案时，我会直接说明。",
    ),
}
_KIND_OF = {phrase: kind for kind, phrases in _PHRASES.items() for phrase in phrases.split(", ")}


def reply_to(message: str) -> str:
    """What to say to a message that is small talk, in its language; "" where it is not."""
    words = _WORDS.findall(fold(message).replace("’", "'"))
    kind = _KIND_OF.get(" ".join(words)) or _KIND_OF.get("".join(words))
    return "" if kind is None else _REPLIES[kind][bool(HAN.search(message))]

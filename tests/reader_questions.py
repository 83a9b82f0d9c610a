"""Questions that a tiny reader can learn in seconds: who lives where and works as what, and nothing of others."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

NAMES = "maria anna peter john lucas emma oscar nina".split()
CITIES = "berlin paris london bergen ghent turin oslo lyon".split()
TRADES = "baker doctor teacher painter driver lawyer".split()
HAN_NAMES = "张伟 王芳 李娜 刘洋 陈静 杨帆".split()
HAN_CITIES = "北京 上海 广州 成都 杭州 西安".split()
HAN_TRADES = "医生 教师 厨师 司机 律师 画家".split()


def paragraphs(count: int, seed: int) -> list[dict[str, Any]]:
    """SQuAD paragraphs, every other one Chinese; each with two answered questions and one without an answer."""
    drawn = random.Random(seed)
    return [(_chinese if number % 2 else _english)(drawn, f"{seed}-{number}") for number in range(count)]


def write_squad(file: Path, articles: int, each: int, seed: int = 0) -> Path:
    """A SQuAD file with so many articles of so many paragraphs."""
    data = [{"title": f"article {one}", "paragraphs": paragraphs(each, seed + one)} for one in range(articles)]
    file.write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")
    return file


def _english(drawn: random.Random, key: str) -> dict[str, Any]:
    name, city, trade = drawn.choice(NAMES), drawn.choice(CITIES), drawn.choice(TRADES)
    start = drawn.choice(["", "The river is green. ", "Invoices are red. "])
    text = f"{start}{name.title()} lives in {city.title()} and works as {trade}."
    asked = [
        (f"Where does {name.title()} live?", city.title()),
        (f"What does {name.title()} work as?", trade),
        (_of_another(name, drawn), None),
    ]
    return _paragraph(text, asked, key)


def _chinese(drawn: random.Random, key: str) -> dict[str, Any]:
    name, city, trade = drawn.choice(HAN_NAMES), drawn.choice(HAN_CITIES), drawn.choice(HAN_TRADES)
    text = f"{drawn.choice(['', '天气很好。'])}{name}住在{city}，职业是{trade}。"
    return _paragraph(
        text, [(f"{name}住在哪里？", city), (f"{name}的职业是什么？", trade), (_of_another(name, drawn), None)], key
    )


def _of_another(name: str, drawn: random.Random) -> str:
    """A question of somebody whom the text does not name, in either language."""
    asked = [f"Where does {one.title()} live?" for one in NAMES if one != name]
    return drawn.choice(asked + [f"{one}住在哪里？" for one in HAN_NAMES if one != name])


def _paragraph(text: str, asked: list[tuple[str, str | None]], key: str) -> dict[str, Any]:
    questions = [
        {
            "id": f"{key}-{number}",
            "question": question,
            "answers": [] if answer is None else [{"text": answer, "answer_start": text.index(answer)}],
            "is_impossible": answer is None,
        }
        for number, (question, answer) in enumerate(asked)
    ]
    return {"context": text, "qas": questions}

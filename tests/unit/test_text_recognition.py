"""Scans and pictures of text: recognised page by page, or refused with what to do about it."""

from __future__ import annotations

import io
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pypdf
import pytest
from PIL import ExifTags, Image, ImageDraw, ImageFont
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError, UnsupportedError
from ingest.parsers import parse_file, pdf_scans, picture, recognition
from ingest.parsers.limits import Deadline
from ingest.sources.files import FileSource

WORDS = ("Bearing 6204 wears out", "Order part AX-1200 at once")
SIDE = 740  # pixels; the models enlarge what is smaller
BLACK, WHITE = 0, 255


@pytest.fixture(autouse=True, scope="module")
def _no_network() -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise AssertionError("text recognition asked the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)  # as Python has it while a module cannot be found


def drawn(*lines: str, size: tuple[int, int] = (SIDE, SIDE), at: tuple[int, int] = (40, 40)) -> Image.Image:
    image = Image.new("L", size, WHITE)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((at[0], at[1] + 60 * row), line, BLACK, ImageFont.load_default(40))
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pdf(*pages: Image.Image | str) -> bytes:
    """A picture as a page without text layer, a text as a page with one."""
    writer = pypdf.PdfWriter()
    for page in pages:
        if isinstance(page, Image.Image):
            writer.append(io.BytesIO(saved(page, "PDF", resolution=72)))
        else:
            add_text(writer, writer.add_blank_page(SIDE, SIDE), page)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def add_text(writer: pypdf.PdfWriter, page: pypdf.PageObject, text: str) -> None:
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    fonts = DictionaryObject({NameObject("/F1"): named})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    content.set_data(f"BT /F1 12 Tf 72 300 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)


def stamped(image: Image.Image, stamp: str) -> bytes:
    """A scan onto which an archive printed a number."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(image)))
    over = pypdf.PdfReader(io.BytesIO(pdf(stamp))).pages[0]
    writer.pages[0].merge_page(over)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def pages(parsed: ParsedDocument) -> list[tuple[int | None, str]]:
    return [(block.page, parsed.text[block.start : block.end]) for block in parsed.outline]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.tif", "TIFF"), ("a.bmp", "BMP"), ("a.webp", "WEBP")]
)
def test_the_text_of_a_picture_is_a_document(name: str, kind: str) -> None:
    parsed = parse_file(saved(drawn(*WORDS), kind), name)
    assert parsed.text.split("\n") == list(WORDS)
    assert parsed.title == "a"
    assert parsed.language == "en"
    confidence = parsed.metadata["ocr_confidence"]
    assert parsed.metadata == {"pages": 1, "ocr": True, "ocr_pages": 1, "ocr_confidence": confidence}
    assert 0.9 < confidence <= 1


def test_a_picture_under_the_extension_of_another_type_of_pictures_is_read() -> None:
    assert WORDS[0] in parse_file(saved(drawn(*WORDS), "JPEG"), "renamed.png").text


def transparent() -> bytes:
    letters = drawn(*WORDS)
    image = Image.new("RGBA", letters.size, (0, 0, 0, 0))
    image.putalpha(Image.eval(letters, lambda shade: WHITE - shade))
    return saved(image, "PNG")


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.asarray(drawn(*WORDS)).astype(np.uint16) * 257), "PNG")


def turned() -> bytes:
    about = Image.Exif()
    about[ExifTags.Base.Orientation] = 6  # to be shown a quarter to the right
    return saved(drawn(*WORDS).rotate(90), "JPEG", exif=about)


@pytest.mark.parametrize(
    "data",
    [
        transparent(),
        sixteen_bits(),
        saved(drawn(*WORDS).convert("1"), "TIFF", compression="group4"),
        saved(drawn(*WORDS).convert("P"), "PNG"),
        saved(drawn(*WORDS).convert("CMYK"), "JPEG"),
        turned(),
        saved(drawn(*WORDS).rotate(-3, fillcolor=WHITE), "PNG"),
        saved(drawn(*WORDS).resize((4 * SIDE, 4 * SIDE)), "JPEG"),
    ],
    ids=["transparent", "16 bits", "fax", "palette", "CMYK", "turned by its camera", "askew", "large"],
)
def test_pictures_of_every_kind_are_read(data: bytes) -> None:
    assert parse_file(data, "a.png").text.split("\n") == list(WORDS)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_on_its_side_or_head_is_turned(degrees: int) -> None:
    lines = [*WORDS, "The pump stands still", "Call the workshop early"]
    assert parse_file(saved(drawn(*lines).rotate(degrees), "PNG"), "a.png").text.split("\n") == lines


def test_a_long_screenshot_is_read_in_its_size() -> None:
    """Reduced to one page its letters would be lost; it is cut between lines."""
    lines = [f"Message number {number}" for number in range(1, 45)]
    parsed = parse_file(saved(drawn(*lines, size=(SIDE, 60 * 46)), "PNG"), "chat.png")
    assert parsed.text.split() == " ".join(lines).split()


def test_each_page_of_a_tiff_is_a_page() -> None:
    sheets = [drawn("First sheet"), drawn(), drawn("Third sheet")]
    parsed = parse_file(saved(sheets[0], "TIFF", save_all=True, append_images=sheets[1:]), "fax.tiff")
    assert pages(parsed) == [(1, "First sheet"), (3, "Third sheet")]
    assert parsed.metadata["pages"] == 3 and parsed.metadata["ocr_pages"] == 2


def test_only_pages_without_a_text_layer_are_recognised() -> None:
    parsed = parse_file(pdf("Written page", drawn(*WORDS), "Another one", drawn()), "mixed.pdf")
    assert pages(parsed) == [(1, "Written page"), (2, "\n".join(WORDS)), (3, "Another one")]
    assert {key: parsed.metadata[key] for key in ("pages", "ocr", "ocr_pages")} == {
        "pages": 4,
        "ocr": True,
        "ocr_pages": 1,
    }


def test_a_number_printed_onto_a_scan_makes_it_no_text() -> None:
    parsed = parse_file(stamped(drawn(*WORDS), "ARCHIVE 000123"), "scan.pdf")
    assert set(WORDS) < set(parsed.text.replace("\n\n", "\n").split("\n"))
    assert "000123" in parsed.text


def test_a_pdf_with_a_text_layer_throughout_says_nothing_of_recognition() -> None:
    assert parse_file(pdf("Written page"), "a.pdf").metadata == {"pages": 1}


def test_without_the_extra_pictures_and_scans_name_it(not_installed: None) -> None:
    with pytest.raises(UnsupportedError, match=r"a\.png is a picture, .*pip install 'autoglm-kb\[ocr\]'"):
        parse_file(saved(drawn(*WORDS), "PNG"), "a.png")
    with pytest.raises(ParseError, match=r"a\.pdf is a scan .*pip install 'autoglm-kb\[ocr\]'"):
        parse_file(pdf(drawn(*WORDS)), "a.pdf")
    parsed = parse_file(pdf("Written page", drawn(*WORDS)), "mixed.pdf")
    assert parsed.text == "Written page"
    assert parsed.metadata == {"pages": 2, "unread_pages": 1}


def test_where_it_is_off_pictures_and_scans_name_the_setting() -> None:
    with pytest.raises(UnsupportedError, match=r"a\.png is a picture, .*KB_OCR=off.*KB_OCR=auto"):
        parse_file(saved(drawn(*WORDS), "PNG"), "a.png", ocr=False)
    with pytest.raises(ParseError, match=r"a\.pdf is a scan .*KB_OCR=off.*KB_OCR=auto"):
        parse_file(pdf(drawn(*WORDS)), "a.pdf", ocr=False)


def test_a_folder_is_read_with_or_without_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(drawn(*WORDS), "PNG"))
    (with_pictures,) = FileSource(tmp_path).poll(None)
    (without,) = FileSource(tmp_path, ocr=False).poll(None)
    assert [one.text for one in with_pictures.changes] == ["\n".join(WORDS)]
    assert [one.key for one in without.failures] == ["a.png"]


def test_a_picture_without_text_is_refused() -> None:
    with pytest.raises(ParseError, match=r"blank\.png is a picture in which no text is found; leave it out"):
        parse_file(saved(drawn(), "PNG"), "blank.png")
    with pytest.raises(ParseError, match=r"blank\.pdf holds no text"):
        parse_file(pdf(drawn()), "blank.pdf")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(drawn(*WORDS), "PNG")[:400], "is damaged"),
        (saved(drawn(*WORDS), "JPEG")[:4000], "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is damaged: its beginning cannot be read"),
        (b"no picture", "of an unknown type, not a picture"),
        (pdf("Written page"), "a PDF, not a picture"),
    ],
)
def test_a_damaged_picture_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_file(data, "a.png")


@pytest.mark.parametrize("sides", [(9_000, 9_000), (12_000, 12_000), (40_000, 40_000)])
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_head(sides: tuple[int, int]) -> None:
    data = saved(drawn(), "PNG")
    head = b"IHDR" + struct.pack(">II", *sides) + data[24:29]
    with pytest.raises(ParseError, match="more than 80 million pixels"):
        parse_file(data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:], "bomb.png")


def test_a_file_of_too_many_scans_is_refused_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "MAX_PAGES", 2)
    sheets = [drawn("First"), drawn("Second"), drawn("Third")]
    for name, data in (
        ("a.tif", saved(sheets[0], "TIFF", save_all=True, append_images=sheets[1:])),
        ("a.pdf", pdf(*sheets)),
    ):
        with pytest.raises(ParseError, match=f"{name} has 3 pages whose text is in pictures, the most is 2"):
            parse_file(data, name)


def test_a_pdf_with_other_text_keeps_it_and_counts_the_scans_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_scans, "MAX_PAGES", 1)
    parsed = parse_file(pdf("Written page", drawn("First"), drawn("Second")), "a.pdf")
    assert pages(parsed) == [(1, "Written page"), (2, "First")]
    assert parsed.metadata["ocr_pages"] == parsed.metadata["unread_pages"] == 1


def test_a_file_that_takes_too_long_ends_between_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "Deadline", lambda name, seconds: Deadline(name, seconds / 1e6))
    sheets = [drawn("First"), drawn("Second")]
    with pytest.raises(ParseError, match="of processor time"):
        parse_file(saved(sheets[0], "TIFF", save_all=True, append_images=sheets[1:]), "a.tif")


def test_several_threads_read_at_once() -> None:
    """As uploads do: PDFium and the models serve one thread at a time."""
    files = [("a.png", saved(drawn("Upload one"), "PNG")), ("b.pdf", pdf(drawn("Upload two"), "Written page"))]
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda file: parse_file(file[1], file[0]).text, files * 2))
    assert texts == ["Upload one", "Upload two\n\nWritten page"] * 2

"""How much of their text OCR finds again in pages of PDF files that were drawn as pictures, and seconds a page.

Words are those that search sees, by the analyzer: English stems, pairs of Chinese characters. A page is drawn clean,
and as an office scans it: 150 dpi, in grey, askew by a degree, with noise, as a coarse JPEG.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image

from ingest.errors import ParseError
from ingest.parsers import parse_file
from retrieval.analysis.analyzer import Analyzer
from tests.benchmarks.machine import DATA, SEED, data_hash, resident_mb
from tests.benchmarks.options import Options

FILES = {
    "en": ("en_copy_protected.pdf", "en_federal_register.pdf", "en_warn_report_table.pdf"),
    "zh": (
        "zh_battery_datasheet.pdf",
        "zh_broker_report.pdf",
        "zh_quarterly_report_2018q1.pdf",
        "zh_rag_overview_one_page.pdf",
    ),
}
MIN_CHARACTERS = 300  # of a page that is measured: not a cover
WAYS = ("clean", "scan")
CLEAN_DPI, SCAN_DPI = 200, 150
SKEW = 1.0  # degrees
NOISE = 8.0  # shades of 256, standard deviation
QUALITY = 50  # of the JPEG


def measure(options: Options) -> dict[str, Any]:
    """By language and way of drawing: recall and precision of words, seconds of clock and processor a page."""
    _read(_as_scan(Image.new("L", (1000, 1000), 255)))  # loads the models
    before = resident_mb()
    found: dict[str, Any] = {}
    for language, names in FILES.items():
        pages = [page for name in names for page in _pages(name, options.scanned)]
        for way in WAYS:
            rows = [_compare(text, _drawn(page, way)) for page, text in pages]
            found[f"{language} {way}"] = _summary(rows)
    hashed = data_hash(DATA / "documents" / "files" / name for names in FILES.values() for name in names)
    return {"pages": found, "idle_mb": before, "resident_mb": resident_mb(), "data_sha256": hashed}


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [
        f"{name:9} {one['pages']:3} pages: words found again {one['recall']:.3f} (worst page {one['worst']:.3f}), "
        f"found words that are there {one['precision']:.3f}, {one['seconds']:.2f} s a page "
        f"({one['cpu_seconds']:.2f} s of processor time)"
        for name, one in row["pages"].items()
    ]
    return [*table, f"{row['resident_mb']:.0f} MB after it"]


def _pages(name: str, most: int) -> Iterator[tuple[Any, str]]:
    """The first pages with enough text, and that text."""
    document = pypdfium2.PdfDocument((DATA / "documents" / "files" / name).read_bytes())
    taken = 0
    for page in document:
        text = page.get_textpage().get_text_bounded()
        if taken < most and len("".join(text.split())) >= MIN_CHARACTERS:
            taken += 1
            yield page, text.replace("\ufffe", "")


def _drawn(page: Any, way: str) -> bytes:
    dpi = CLEAN_DPI if way == "clean" else SCAN_DPI
    image = page.render(scale=dpi / 72).to_pil()
    return _as_scan(image) if way == "scan" else _saved(image, "PNG")


def _as_scan(image: Image.Image) -> bytes:
    askew = image.convert("L").rotate(SKEW, Image.Resampling.BICUBIC, fillcolor=255)
    noise = np.random.default_rng(SEED).normal(0, NOISE, (askew.height, askew.width))
    worn = np.clip(np.asarray(askew) + noise, 0, 255).astype(np.uint8)
    return _saved(Image.fromarray(worn), "JPEG", quality=QUALITY)


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _compare(text: str, picture: bytes) -> dict[str, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    read = _read(picture)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    wanted, got = (Counter(Analyzer().tokens(one)) for one in (text, read))
    same = (wanted & got).total()
    recall, precision = same / max(1, wanted.total()), same / max(1, got.total())
    return {"recall": recall, "precision": precision, "seconds": seconds, "cpu_seconds": cpu_seconds}


def _read(picture: bytes) -> str:
    try:
        return parse_file(picture, "page.jpg").text
    except ParseError:
        return ""


def _summary(rows: list[dict[str, float]]) -> dict[str, float]:
    means = {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
    return {"pages": len(rows), **means, "worst": round(min(row["recall"] for row in rows), 3)}

"""Text in pictures (OCR): RapidOCR's small models for Chinese and English, on ONNX Runtime, one page at a time.

The models come with the package `rapidocr`; nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import ParseError, UnsupportedError
from ingest.parsers.reading_order import Line

Pixels = NDArray[np.uint8]  # (height, width, 3): blue, green, red

MAX_PAGES = 500  # of one file whose text is in pictures; half an hour of one core
PAGE_SECONDS = 60.0  # of processor time, on average over the pages of a file; an ordinary page takes 2 to 7
MAX_PIXELS = 80_000_000  # of one picture or page; a sheet of A3 in 600 dpi has 70 million
SHORT_SIDE = 1_414  # pixels that a page is reduced to: A4 in 171 dpi, where print of 6 points is read
MAX_SIDE = 2_000  # pixels at once; what is longer is read in strips
MAX_THREADS = 4  # more gain little, and a container may be allowed less than its machine has

_MIN_CONFIDENCE = 0.6  # of a line; below are patterns, stamps and handwriting, read as random letters
_SURE = 0.85  # confidence of a page, on average over its characters; upside down it is 0.65
_TALL = 1.5  # ratio of height to width from which a box is read as a line that runs upwards
_CUT_WITHIN = 0.25  # share of a strip, from its end, in which the emptiest row is looked for
_LONG = 5  # widths of a box in heights, from which its slope tells that of the page
_EXTRA = "autoglm-kb[ocr]"
_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}

_turn = threading.Lock()  # the models take some 0.7 GB at work, and searches need processors too

logger = logging.getLogger(__name__)


def obstacle(wanted: bool) -> tuple[str, str] | None:
    """Why text in pictures is not read here and what to do about it; None if it is read."""
    if not wanted:
        return "text in pictures is not read (KB_OCR=off)", "set KB_OCR=auto, or ingest the text of it"
    if importlib.util.find_spec("rapidocr") is None:
        return (
            "text in pictures is read by the extra ocr, which is not installed",
            f"install it (pip install '{_EXTRA}'), or run OCR elsewhere and ingest the text",
        )
    return None


def check_readable(name: str, wanted: bool) -> None:
    """Raises `UnsupportedError` where text in a picture of that name would not be read."""
    if found := obstacle(wanted):
        reason, remedy = found
        raise UnsupportedError(f"{name} is a picture, and {reason}", remedy)


def check_pages(name: str, pages: int) -> None:
    """Raises `ParseError` for more pictures in a file than are read."""
    if pages > MAX_PAGES:
        raise ParseError(
            f"{name} has {pages} pages whose text is in pictures, the most is {MAX_PAGES}",
            "split it into several files, or run OCR elsewhere and ingest the text",
        )


def scale_for(width: float, height: float, most: float = 1.0) -> float:
    """The factor that brings a page to the size in which it is read, `most` at most. Its unit is that of the sides."""
    scale = min(most, SHORT_SIDE / min(width, height))
    return min(scale, math.sqrt(MAX_PIXELS / (width * height)))


def recognise(pixels: Pixels) -> list[Line]:
    """The lines of a picture, in no order; one that lies on its side or head is turned, and they stand as it does then.

    Raises `ParseError` where the models cannot be loaded.
    """
    with _turn:
        engine = _engine()
        lines = _read(engine, pixels)
        if not lines:
            return []
        # A tall box is read from below; so if that went well, a quarter to the left makes the page upright.
        is_sure = _certainty(lines) >= _SURE * sum(len(line.text) for line in lines)
        is_tall = median(line.height - _TALL * (line.right - line.left) for line in lines) > 0
        if is_sure and not is_tall:
            return lines
        quarters = 2 if not is_tall else 1 if is_sure else 3
        turned = _read(engine, np.ascontiguousarray(np.rot90(pixels, quarters)))
        return turned if is_tall and is_sure else max(lines, turned, key=_certainty)


def _read(engine: Any, pixels: Pixels) -> list[Line]:
    return [line for top, strip in _strips(pixels) for line in _lines(engine(strip), top)]


def _certainty(lines: Sequence[Line]) -> float:
    return sum(len(line.text) * line.confidence for line in lines)


@cache  # asked in `_turn` only
def _engine() -> Any:
    try:
        import rapidocr
        from rapidocr import RapidOCR
    except ImportError as error:  # such as a library of the system that OpenCV needs
        raise ParseError(f"text in pictures cannot be read: {error}", f"pip install --force '{_EXTRA}'") from error
    folder = Path(rapidocr.__file__).parent / "models"
    paths = {f"{stage}.model_path": str(folder / file) for stage, file in _MODELS.items()}  # named: never downloaded
    threads = max(1, min(MAX_THREADS, (os.cpu_count() or 1) // 2))
    engine = RapidOCR(
        params=paths
        | {
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.use_cls": False,  # it takes one upright line in twenty for one upside down
            "Global.max_side_len": MAX_SIDE,
            "Global.text_score": _MIN_CONFIDENCE,
            "Global.log_level": "error",  # a picture without text is worth no warning
        }
    )
    logging.getLogger("RapidOCR").handlers.clear()  # it brings one that writes in colours
    logging.getLogger("RapidOCR").propagate = True
    logger.info("loaded the models that read text in pictures, for %d threads", threads)
    return engine


def _strips(pixels: Pixels) -> Iterator[tuple[int, Pixels]]:
    """The picture in pieces no longer than is read at once, cut between lines, each with its first row."""
    height = pixels.shape[0]
    top = 0
    while height - top > MAX_SIDE:
        first = top + int(MAX_SIDE * (1 - _CUT_WITHIN))
        spread = pixels[first : top + MAX_SIDE].max(axis=(1, 2)).astype(int)
        spread -= pixels[first : top + MAX_SIDE].min(axis=(1, 2))
        end = first + int(spread.argmin())
        yield top, pixels[top:end]
        top = end
    yield top, pixels[top:]


def _lines(found: Any, top: int) -> list[Line]:
    if found.boxes is None or found.txts is None:
        return []
    corners = _straightened(np.asarray(found.boxes, np.float64))
    sides = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).tolist()
    return [
        Line(text, float(score), left, upper + top, right, lower + top)
        for text, score, (left, upper, right, lower) in zip(found.txts, found.scores, sides, strict=True)
    ]


def _straightened(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(lines, 4, 2) turned back by the slope of the long ones, since a sheet may lie askew on the scanner."""
    along = corners[:, 1] - corners[:, 0]
    down = corners[:, 3] - corners[:, 0]
    is_long = np.hypot(*along.T) > _LONG * np.hypot(*down.T)
    if not is_long.any():
        return corners
    angle = float(np.median(np.arctan2(along[is_long, 1], along[is_long, 0])))
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: NDArray[np.float64] = corners @ np.array([[cosine, -sine], [sine, cosine]])
    return turned

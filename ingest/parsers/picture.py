"""Pictures of text: scans, photographs and screenshots; a TIFF may have several pages."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline
from ingest.parsers.pdf_layout import add_page_text
from ingest.parsers.recognition import MAX_PIXELS, PAGE_SECONDS, Pixels, check_pages, check_readable, scale_for
from ingest.parsers.scans import Scans

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")  # Pillow has many more, for which nobody asks
_SUBFILE_TYPE = 254  # the TIFF tag
_REDUCED = 1  # a bit of it: a small copy of another page
_SIXTEEN_BITS = "I;16"  # with the order of bytes behind it


class PictureParser:
    """PNG, JPEG, TIFF, BMP and WebP; text is recognised in them, unless `ocr` is False."""

    def __init__(self) -> None:
        self.ocr = True

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The text in the picture. Raises `ParseError`, also where it shows no text."""
        check_readable(name, self.ocr)
        scans = Scans()
        with _opened(data, name) as image:
            pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
            check_pages(name, pages)
            deadline = Deadline(name, PAGE_SECONDS * pages)
            for number in range(1, pages + 1):
                deadline.check()
                image.seek(number - 1)
                if not _is_copy(image):
                    scans.read(number, _pixels(image, name))
        if not scans.texts:
            raise ParseError(f"{name} is a picture in which no text is found", "leave it out")
        builder = TextBuilder(name)
        for number, text in scans.texts.items():
            add_page_text(builder, text, (), number)
        return builder.build("", {"pages": pages, **scans.metadata})


def _opened(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise ParseError(f"{name} is damaged: its beginning cannot be read", "open and save it again") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error


def _too_large(name: str) -> ParseError:
    return ParseError(
        f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels", "save it with fewer, or cut it into several"
    )


def _is_copy(image: Image.Image) -> bool:
    return bool(getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0) & _REDUCED)


def _pixels(image: Image.Image, name: str) -> Pixels:
    """The page upright, on white, and no larger than it is read."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name)
    scale = scale_for(width, height)
    image.draft("RGB", (round(width * scale), round(height * scale)))  # a JPEG need not be decoded in full
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(_SIXTEEN_BITS):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    shades = "RGBA" if upright.has_transparency_data else "L" if upright.mode in ("1", "L") else "RGB"
    if upright.mode != shades:
        upright = upright.convert(shades)
    width, height = upright.size
    scale = scale_for(width, height)
    upright.thumbnail((max(1, round(width * scale)), max(1, round(height * scale))))
    if shades == "RGBA":
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[:, :, ::-1])

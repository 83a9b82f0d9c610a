"""PDF files read by several threads, as uploads are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

READ_BY_THREADS = """
import io
from concurrent.futures import ThreadPoolExecutor

import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ingest.parsers import parse_file

writer = pypdf.PdfWriter()
font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
named = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
for number in range(26):
    page = writer.add_blank_page(600, 800)
    fonts = DictionaryObject({NameObject("/F1"): named})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    line = f"(Valve {chr(97 + number) * 4} opens) Tj 0 -2 Td "
    content.set_data(f"BT /F1 2 Tf 72 790 Td {line * 300} ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)
stream = io.BytesIO()
writer.write(stream)
with ThreadPoolExecutor(4) as threads:
    texts = set(threads.map(lambda number: parse_file(stream.getvalue(), "a.pdf").text, range(24)))
assert len(texts) == 1, len(texts)
"""


def test_several_threads_read_pdf_files_at_once(repository: Path) -> None:
    """In a process of its own: PDFium, used by several threads, ends the whole process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_THREADS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]

"""Pages, Office files, mails and tables that are made in less common ways are read as their readers see them."""

from __future__ import annotations

import io
import zipfile

import docx
import openpyxl
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml

from ingest.errors import ParseError
from ingest.parsers import parse_file
from retrieval.types import BlockKind

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h3><button aria-expanded=false>How long?</button></h3><p>Two years.</p>", "How long?\n\nTwo years."),
        ("<h3>1. <button aria-expanded=false>How long?</button></h3><p>Two years.</p>", "1. How long?\n\nTwo years."),
        ("<h3><span><button>How long?</button></span></h3><p>Two years.</p>", "How long?\n\nTwo years."),
        ("<dl><dt><button>How long?</button></dt><dd>Two years.</dd></dl>", "How long?\n\nTwo years."),
        ("<h3>Warranty <button>Copy</button></h3><p>Two years.</p>", "Warranty\n\nTwo years."),
        ("<h3>Warranty <button>Copy</button><button>Edit</button></h3><p>Two years.</p>", "Warranty\n\nTwo years."),
        ("<h3>Warranty <button hidden aria-expanded=true>Less</button></h3><p>Two.</p>", "Warranty\n\nTwo."),
        ("<button aria-expanded=false>Menu</button><p>Two years.</p>", "Two years."),
    ],
)
def test_a_button_is_read_where_it_is_the_heading(page: str, text: str) -> None:
    parsed = parse_file(page.encode(), "faq.html")
    assert parsed.text == text
    assert (parsed.outline[0].kind is BlockKind.HEADING) is ("<h3>" in page)


@pytest.mark.parametrize(
    ("head", "title"), [("", "Pump manual"), ("<title>Pumps</title>", "Pumps"), ("<title> </title>", "Pump manual")]
)
def test_the_title_of_an_icon_is_not_that_of_the_page(head: str, title: str) -> None:
    page = f"<svg><g><title>Menu icon</title></g></svg><h1>Pump manual</h1>{head}<p>Text of the manual.</p>"
    assert parse_file(page.encode(), "a.html").title == title


def saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def read_word(document: docx.document.Document) -> list[tuple[BlockKind, int, str]]:
    parsed = parse_file(saved(document), "a.docx")
    return [(block.kind, block.level, parsed.text[block.start : block.end]) for block in parsed.outline]


def test_headings_of_styles_based_on_words_own_are_headings() -> None:
    document = docx.Document()
    bases = {"Chapter": "Heading 1", "Chapter small": "Chapter", "Contents": "Heading 1", "A": "B", "Own": "Normal"}
    for name in (*bases, "B"):
        document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    for name, base in (bases | {"B": "A"}).items():
        document.styles[name].base_style = document.styles[base]
    for name, level in [("Contents", 9), ("Own", 2)]:
        document.styles[name].element.get_or_add_pPr().append(outline_level(level))
    for name in (*bases, "Chapter"):
        document.add_paragraph(f"of {name}", name)
    document.paragraphs[-1]._p.get_or_add_pPr().append(outline_level(9))
    heading, text = BlockKind.HEADING, BlockKind.PARAGRAPH
    assert read_word(document) == [
        (heading, 1, "of Chapter"),
        (heading, 1, "of Chapter small"),
        (text, 0, "of Contents"),
        (text, 0, "of A"),
        (heading, 3, "of Own"),
        (text, 0, "of Chapter"),
    ]


def test_tracked_moves_of_word_are_read_once_and_hidden_text_never() -> None:
    def run(text: str, look: str = "") -> str:
        return f"<w:r>{look}<w:t>{text}</w:t></w:r>"

    document = docx.Document()
    hidden, shown = "<w:rPr><w:vanish/></w:rPr>", '<w:rPr><w:vanish w:val="0"/></w:rPr>'
    for content in (
        f'<w:moveFrom w:id="1" w:author="a">{run("Wear gloves.")}</w:moveFrom>',
        f'{run("Shown.", shown)}{run(" Hidden.", hidden)}<w:del w:id="2" w:author="a"><w:r><w:br/></w:r></w:del>',
        f'<w:moveTo w:id="3" w:author="a">{run("Wear gloves.")}</w:moveTo>',
    ):
        document._body._element.insert(-1, parse_xml(f"<w:p {WORD}>{content}{run(' Then work.')}</w:p>"))
    assert [text for *_, text in read_word(document)] == [
        "Then work.",
        "Shown. Then work.",
        "Wear gloves. Then work.",
    ]


INNER = (
    "From: c@x\nSubject: Valve\nContent-Type: multipart/mixed; boundary=I\n\n"
    "--I\n\nIt is broken.\n--I\nContent-Type: application/pdf; name=valve.pdf\n\nx\n--I--\n"
)


@pytest.mark.parametrize(
    ("head", "inner", "read"),
    [
        ("", INNER, "See below.\n\nValve\n\nFrom: c@x\n\nIt is broken.\n\nAttachments: valve.pdf"),
        (
            "Content-Disposition: inline; filename=v.eml\n",
            "Subject: Valve\n\nBroken.\n",
            "See below.\n\nValve\n\nBroken.",
        ),
        ("Content-Disposition: attachment; filename=v.eml\n", INNER, "See below.\n\nAttachments: v.eml"),
        ("", "\nU3ViamVjdDogVmFsdmUK\n", "See below.\n\nAttachments: message/rfc822"),
    ],
)
def test_a_forwarded_message_is_read_where_the_mail_shows_it(head: str, inner: str, read: str) -> None:
    mail = (
        "From: a@x\nSubject: Fwd\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
        f"--B\n\nSee below.\n--B\nContent-Type: message/rfc822\n{head}\n{inner}--B--\n"
    )
    assert parse_file(mail.encode(), "a.eml").text == f"Fwd\n\nFrom: a@x\n\n{read}"


@pytest.mark.parametrize(
    "body",
    [
        "multipart/encrypted; boundary=B\n\n--B\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--B--\n",
        "application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\nTUlJ\n",
        "text/plain\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
    ],
)
def test_an_encrypted_mail_is_refused(body: str) -> None:
    with pytest.raises(ParseError, match=r"a\.eml is encrypted"):
        parse_file(f"From: a@x\nSubject: s\nMIME-Version: 1.0\nContent-Type: {body}".encode(), "a.eml")


def test_columns_that_a_sheet_has_too_many_of_are_told() -> None:
    workbook = openpyxl.Workbook()
    for title, width in [("Narrow", 256), ("Wide", 257), ("Gap", 256)]:
        sheet = workbook.create_sheet(title)
        for value in "cv":
            sheet.append([f"{value}{at}" for at in range(width)])
    workbook["Gap"].cell(2, 400, "far away")
    parsed = parse_file(saved(workbook), "a.xlsx")
    assert parsed.metadata == {"sheets": 4, "cut_sheets": ["Wide", "Gap"]}
    assert "v255" in parsed.text and "v256" not in parsed.text


@pytest.mark.parametrize(("name", "document"), [("a.docx", docx.Document()), ("a.xlsx", openpyxl.Workbook())])
def test_a_strict_office_file_is_named_so(name: str, document: object) -> None:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(document))) as source, zipfile.ZipFile(changed, "w") as target:
        for part in source.namelist():
            ordinary = b"http://schemas.openxmlformats.org/officeDocument/2006/"
            target.writestr(part, source.read(part).replace(ordinary, b"http://purl.oclc.org/ooxml/officeDocument/"))
    with pytest.raises(ParseError, match=rf"Strict Open XML; save it as an ordinary \{name[1:]}"):
        parse_file(changed.getvalue(), name)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sep=;\nid;price\n1;2,50\n", "| id | price |\n| 1 | 2,50 |"),
        ('\ufeff"SEP=,"\r\nid,price\r\n1,2;50;3\r\n', "| id | price |\n| 1 | 2;50;3 |"),
        ("sep=\t\nid\tprice\n1\t2\n", "| id | price |\n| 1 | 2 |"),
        ("sep=a;price\n1;2\n", "| sep=a | price |\n| 1 | 2 |"),
    ],
)
def test_a_csv_file_may_name_its_delimiter(text: str, read: str) -> None:
    assert parse_file(text.encode(), "a.csv").text == read


def outline_level(level: int) -> object:
    return parse_xml(f'<w:outlineLvl {WORD} w:val="{level}"/>')

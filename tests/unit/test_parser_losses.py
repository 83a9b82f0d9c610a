"""Nothing a reader of a file sees is lost or garbled on its way to text, however oddly the file is made."""

from __future__ import annotations

import io
import re
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml

from ingest.parsers import parse_file
from ingest.parsers.charset import decode


def written(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


@pytest.mark.parametrize("before", [0, 1, 100_000], ids=["even", "odd", "late"])
@pytest.mark.parametrize("charset", ["gb18030", "big5", "shift_jis", "euc_kr"])
def test_the_charset_of_a_long_text_is_found_wherever_the_sample_ends(charset: str, before: int) -> None:
    sentence = {
        "gb18030": "今天天气很好，我们去公园散步，讨论产品的质量与交付时间。",
        "big5": "今天天氣很好，我們去公園散步，討論產品的質量與交付時間。",
        "shift_jis": "今日は天気がいいので公園を散歩しましょう。製品の品質",
        "euc_kr": "오늘은 날씨가 좋아서 공원을 산책합시다",
    }[charset]
    text = "a" * before + sentence * 4000
    assert decode(text.encode(charset), "x.txt") == text


@pytest.mark.parametrize("charset", ["x-sjis", "none", "undefined", "hex"])
def test_a_page_that_names_no_charset_there_is_is_guessed(charset: str) -> None:
    text = "毎月シールを点検し、フィルターを交換してから装置を起動してください。"
    page = f'<meta charset="{charset}"><p>{text}</p>'.encode("shift_jis")
    assert parse_file(page, "a.html").text == text


def test_a_far_accent_is_read_as_one() -> None:
    text = "plain words " * 10_000 + "Größe, Straße und Bäcker für später"
    assert decode(text.encode("cp1252"), "x.txt") == text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("gb18030", "每月检查一次密封圈，更换滤芯后再启动设备。保修期为二十四个月，自购买之日起计算，不包括易损件。"),
        ("big5", "每月檢查一次密封圈，更換濾芯後再啟動設備。保固期為二十四個月，自購買之日起計算，不包括耗材。"),
        ("shift_jis", "毎月シールを点検し、フィルターを交換してから装置を起動してください。保証期間は二十四か月です。"),
    ],
)
def test_a_text_of_another_charset_that_is_cut_or_has_a_bad_byte_is_no_western_one(charset: str, text: str) -> None:
    data = text.encode(charset)
    assert decode(data[:-1], "cut.txt") == text[:-1] + "\ufffd"
    assert decode(data[:40] + b"\xff" + data[40:], "bad.txt").replace("\ufffd", "")[:20] == text[:20]


def test_western_words_that_a_charset_of_many_bytes_could_nearly_hold_stay_what_they_are() -> None:
    for text in (
        "Die Übergabe für größere Geräte: Straße, Tür, Gebühr, jährlich, früh",
        "déjà rentrée, à côté de la clé, où l'on a très tôt arrêté",
    ):
        assert decode(text.encode("cp1252"), "x.txt") == text


def test_a_bad_byte_of_utf_8_spoils_one_character() -> None:
    text = "每月检查一次密封圈，更换滤芯后再启动设备。" * 10
    data = text.encode()
    assert decode(data[:-1], "cut.txt") == text[:-1] + "\ufffd"
    assert decode(data[:300] + b"\xff" + data[300:], "x.txt") == text[:100] + "\ufffd" + text[100:]


def mail(body: bytes, content_type: str, subject: bytes = b"s", sender: bytes = b"a@x.example") -> bytes:
    head = b"Subject: " + subject + b"\nFrom: " + sender + b"\nMIME-Version: 1.0\n"
    return head + f"Content-Type: {content_type}\nContent-Transfer-Encoding: 8bit\n\n".encode() + body


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"<p>Hello <!-- x --> world</p><!--[if mso]>z<![endif]--> and more", "text/html", "Hello world\n\nand more"),
        (b'<?xml version="1.0" encoding="utf-8"?><html><body><p>Hello</p></body></html>', "text/html", "Hello"),
        (b"<!-- nothing -->", "text/html", ""),
        ('<meta charset="gbk"><p>朱镕基先生</p>'.encode("gbk"), "text/html", "朱镕基先生"),
        ("中文正文 café".encode(), "text/plain", "中文正文 café"),
        ("朱镕基先生".encode("gbk"), "text/plain; charset=gb2312", "朱镕基先生"),
        ("设备的点检每月进行。".encode() * 5, "text/plain; charset=us-ascii", "设备的点检每月进行。" * 5),
        (b"\x1b$B@_Hw\x1b(B", "text/plain; charset=iso-2022-jp", "設備"),
        (b"hello body", "text/plain; charset=x-unknown", "hello body"),
        ("für später\0".encode("cp1252"), "text/plain", "für später"),
    ],
)
def test_the_body_of_a_mail_is_read_in_any_charset_and_around_comments(
    body: bytes, content_type: str, text: str
) -> None:
    assert parse_file(mail(body, content_type), "m.eml").text == f"s\n\nFrom: a@x.example\n\n{text}".strip()


@pytest.mark.parametrize(
    ("charset", "content_type"),
    [("utf-8", "text/plain"), ("gbk", "text/plain; charset=gbk"), ("gb2312", "text/plain; charset=utf-8")],
)
def test_plain_bytes_in_the_headers_of_a_mail_are_words(charset: str, content_type: str) -> None:
    sender = "张三 <a@x.example>".encode(charset)
    parsed = parse_file(mail(b"body", content_type, "季度报告".encode(charset), sender), "m.eml")
    assert (parsed.title, parsed.metadata["from"]) == ("季度报告", "张三 <a@x.example>")


def test_names_of_attachments_and_accents_are_words() -> None:
    parts = b'--B\nContent-Type: text/plain\n\nbody\n--B\nContent-Disposition: attachment; filename="%s"\n\nx\n--B--\n'
    body = parts % "报告.doc".encode("gbk")
    parsed = parse_file(mail(body, "multipart/mixed; boundary=B", sender=b"Ren\xe9 <a@x.example>"), "m.eml")
    assert parsed.metadata == {"from": "René <a@x.example>", "attachments": ["报告.doc"]}
    encoded = parse_file(mail(b"body", "text/plain", b"=?gb2312?B?1uzpRrv5?="), "m.eml")
    assert encoded.title == "朱镕基"


PLAIN = "text/plain\n\n{}"
HTML = "text/html\n\n<p>{}</p>"
PICTURE = "image/png; name=p.png\nContent-Disposition: inline; filename=p.png\n\nx"


def parts(subtype: str, *inner: str) -> str:
    mark = f"B{len(''.join(inner))}"  # longer than that of any mail inside
    return (
        f"multipart/{subtype}; boundary={mark}\n\n"
        + "".join(f"--{mark}\nContent-Type: {part}\n" for part in inner)
        + f"--{mark}--\n"
    )


@pytest.mark.parametrize(
    ("message", "text", "attachments"),
    [
        (parts("alternative", PLAIN.format("plain"), HTML.format("rich")), "plain", []),
        (parts("alternative", PLAIN.format(" \n\xa0"), HTML.format("rich")), "rich", []),
        (parts("related", parts("alternative", PLAIN.format(""), HTML.format("rich")), PICTURE), "rich", ["p.png"]),
        (parts("mixed", PLAIN.format("above"), PICTURE, PLAIN.format("below")), "above\n\nbelow", ["p.png"]),
        (parts("mixed", HTML.format("above"), PICTURE, HTML.format("below")), "above\n\nbelow", ["p.png"]),
        (
            parts("mixed", parts("alternative", PLAIN.format("plain"), HTML.format("no")), PLAIN.format("footer")),
            "plain\n\nfooter",
            [],
        ),
        (
            parts(
                "mixed",
                parts("signed", PLAIN.format("plain"), "application/pgp-signature\n\nx"),
                PLAIN.format("footer"),
            ),
            "plain\n\nfooter",
            ["application/pgp-signature"],
        ),
        (
            parts("mixed", parts("related", HTML.format("rich"), PICTURE), "application/pdf; name=a.pdf\n\nx"),
            "rich",
            ["a.pdf"],
        ),
        (
            parts(
                "mixed",
                PLAIN.format("body"),
                "text/plain; name=a.log\n\nno",
                "text/plain\nContent-Disposition: attachment\n\nno",
            ),
            "body",
            ["a.log", "text/plain"],
        ),
    ],
)
def test_all_that_a_mail_program_shows_is_the_message(message: str, text: str, attachments: list[str]) -> None:
    head = "Subject: s\nFrom: a@x.example\nMIME-Version: 1.0\nContent-Type: "
    parsed = parse_file((head + message).encode(), "m.eml")
    listed = f"\n\nAttachments: {', '.join(attachments)}" if attachments else ""
    assert parsed.text == f"s\n\nFrom: a@x.example\n\n{text}{listed}"
    assert parsed.metadata.get("attachments", []) == attachments


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ul><li><div>Outer<ul><li>inner</li></ul></div></li></ul>", "- Outer\n  - inner"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<ol>loose<p>between</p><li>a</li>after<li>b</li></ol>", "loose\nbetween\n1. a\nafter\n2. b"),
        ("<ul><li hidden>no</li><li>a<ul style='display: none'><li>no</li></ul></li></ul>", "- a"),
        ("<ol><li hidden>no</li><li>a</li></ol>", "1. a"),
        ("<table><tr hidden><td>no</td></tr><tr><td>1</td><td hidden>no</td><td>2</td></tr></table>", "| 1 | 2 |"),
        ("<table><caption hidden>no</caption><tbody><tr><td>1</td><td>2</td></tr></tbody></table>", "| 1 | 2 |"),
        ("<pre>a<br>b</pre>", "a\nb"),
        ("<ul><li>a<ul><li>b</li></ul>c</li></ul>", "- a c\n  - b"),
        ("<ul><li>step<pre>run it</pre></li></ul>", "- step run it"),
        ("<form><h1>Travel</h1><p>Hotels up to 120 EUR.</p><input value=no><button>no</button></form>", None),
        ("<form><div>Hotels up to 120 EUR a night. " + "More of it. " * 20 + "</div></form>", None),
        ("<p>page</p><form><label>no</label><input></form>", "page"),
    ],
)
def test_a_page_loses_nothing_but_what_is_hidden(page: str, text: str | None) -> None:
    read = parse_file(page.encode(), "a.html").text
    assert read == text if text is not None else "Hotels up to 120 EUR" in read
    assert not re.search(r"\bno\b", read)


@pytest.mark.parametrize("depth", [200, 255, 3_000])
@pytest.mark.parametrize("tag", ["div", "font"])
def test_no_depth_ends_a_page(tag: str, depth: int) -> None:
    inside = "<p>deep</p><script>no</script><table><tr><td>1</td><td>2</td></tr></table>"
    page = f"<p>before</p>{f'<{tag}>' * depth}{inside}{f'</{tag}>' * depth}<p>after</p>"
    assert parse_file(page.encode(), "a.html").text == "before\n\ndeep\n\n| 1 | 2 |\n\nafter"


@pytest.mark.parametrize("huge", ["<img src='data:,{}'>", "<script>{}</script>", "<!--{}-->", "<p hidden>{}</p>"])
def test_nothing_huge_ends_a_page(huge: str) -> None:
    page = f"<p>before</p>{huge.format('word ' * 2_200_000)}<p>after</p>"
    assert parse_file(page.encode(), "a.html").text == "before\n\nafter"


def test_a_slide_with_a_shape_of_no_known_type_is_read() -> None:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    shape = slide.shapes.add_textbox(0, 0, 100, 100)
    shape.text_frame.text = "words in it"
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 200, 100, 100).text_frame.text = "words in a group"
    properties = shape._element.spPr
    properties.remove(properties.find(f"{{{properties.nsmap['a']}}}prstGeom"))
    del shape._element.nvSpPr.cNvSpPr.attrib["txBox"]
    assert parse_file(written(presentation), "a.pptx").text == "words in it\n\nwords in a group"


def test_a_long_cell_is_read_while_another_file_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slowly(text: str) -> str:
        if len(text) < 100:
            assert begun.wait(10)
        else:
            begun.set()
            assert ended.wait(10)
        return ","

    monkeypatch.setattr("ingest.parsers.csv.find_delimiter", slowly)
    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(parse_file, b"a,b\n1,2\n", "short.csv")
        short.add_done_callback(lambda _: ended.set())
        time.sleep(0.1)  # the short one is to begin first
        long = pool.submit(parse_file, b"a,b\n1," + b"word " * 40_000, "long.csv")
        assert len(long.result().text) > 190_000


def test_rows_beyond_what_a_sheet_says_of_its_size_are_read() -> None:
    workbook = openpyxl.Workbook()
    for row in range(10):
        workbook.active.append([f"part {row}", row])
    sheet, changed = written(workbook), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', source.read(name)))
    assert "part 9" in parse_file(changed.getvalue(), "a.xlsx").text
    assert parse_file(changed.getvalue(), "a.xlsx") == parse_file(sheet, "a.xlsx")


WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def control(content: str) -> object:
    return parse_xml(f"<w:sdt {WORD}><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>")


def test_word_is_read_inside_content_controls_and_custom_xml() -> None:
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    document = docx.Document()
    wrapped = paragraph.format("wrapped")
    document.element.body.insert(0, parse_xml(f'<w:customXml {WORD} w:element="x">{wrapped}</w:customXml>'))
    hyphen = "<w:p {}><w:r><w:t>AX</w:t><w:noBreakHyphen/><w:t>12</w:t></w:r></w:p>"
    document.element.body.insert(1, parse_xml(hyphen.format(WORD)))
    table = document.add_table(1, 1)
    table.cell(0, 0)._tc.append(control(paragraph.format("in cell")))
    table.rows[0]._tr.append(control(f"<w:tc>{paragraph.format('cell')}</w:tc>"))
    table._tbl.append(control(f"<w:tr><w:tc>{paragraph.format('row')}</w:tc></w:tr>"))
    assert parse_file(written(document), "a.docx").text == "wrapped\n\nAX-12\n\n| in cell | cell |\n| row |  |"


def test_word_with_macros_is_read() -> None:
    document = docx.Document()
    document.add_heading("Care", 1)
    plain, macros = written(document), io.BytesIO()
    main = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    with zipfile.ZipFile(io.BytesIO(plain)) as source, zipfile.ZipFile(macros, "w") as target:
        for name in source.namelist():
            changed = source.read(name).replace(main, b"application/vnd.ms-word.document.macroEnabled.main+xml")
            target.writestr(name, changed)
    assert parse_file(macros.getvalue(), "a.docm") == parse_file(plain, "a.docx")


def test_cells_of_word_merged_both_ways_keep_their_columns() -> None:
    document = docx.Document()
    table = document.add_table(4, 4)
    for row in range(4):
        for column in range(4):
            table.cell(row, column).text = f"{row}{column}"
    table.cell(0, 1).merge(table.cell(2, 2)).text = "block"
    table.cell(2, 0).merge(table.cell(3, 0)).text = "side"
    assert parse_file(written(document), "a.docx").text.split("\n") == [
        "| 00 | block |  | 03 |",
        "| 10 | block |  | 13 |",
        "| side | block |  | 23 |",
        "| side | 31 | 32 | 33 |",
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a<br>b<br/>c", "a\nb\nc"),
        ("| a | b |\n|---|---|\n| x | 100<br>200 |", "| a | b |\n| x | 100 200 |"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<table><tr><td>100</td><td>200</td></tr></table>", "| 100 | 200 |"),
        ("<div hidden>no</div>\n\na <!-- no -->b", "a b"),
    ],
)
def test_markdown_breaks_where_its_html_does(text: str, read: str) -> None:
    assert parse_file(text.encode(), "a.md").text == read


def test_front_matter_without_a_title_is_no_title() -> None:
    parsed = parse_file(b"---\ntitle: null\nauthor: ~\nnumber: 0\n---\n# Head\n\ntext", "a.md")
    assert (parsed.title, parsed.metadata) == ("Head", {"number": 0})


def test_a_day_that_does_not_exist_stays_as_written() -> None:
    parsed = parse_file(b"---\ntitle: Minutes\ndate: 2024-02-30\nheld: 2024-02-29\n---\n\ntext", "a.md")
    assert (parsed.title, parsed.metadata) == ("Minutes", {"date": "2024-02-30", "held": "2024-02-29"})


@pytest.mark.parametrize(
    "front", ["a: 0x" + "f" * 9_000, "a: " + "[" * 9_000, "a: 1" + ":00" * 3_000, "a: " + "1" * 9_000]
)
def test_no_front_matter_refuses_its_document(front: str) -> None:
    parsed = parse_file(f"---\n{front}\n---\n\ntext".encode(), "a.md")
    assert (parsed.text, parsed.metadata) == ("text", {})


def test_a_long_text_between_two_rules_is_no_front_matter() -> None:
    lines = "2024-05-01 worker finished\n\n" * 1_000
    assert parse_file(f"---\n{lines}---\n\nend".encode(), "a.md").text.count("worker") == 1_000

"""Outlook messages, written here property by property, give what the same mail gives as .eml."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage

import compressed_rtf
import pytest
from compound_file import compound_file
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers import msg, msg_properties, parse_file
from ingest.parsers.limits import Deadline

Values = Mapping[int, object]  # by identifiers of properties
CLASS, SUBJECT, BODY, HTML, RICH = 0x001A, 0x0037, 0x1000, 0x1013, 0x1009
SENDER, SENDER_ADDRESS, SENDER_MAIL = 0x0042, 0x0065, 0x5D02
TO, CC, SUBMITTED, DELIVERED = 0x0E04, 0x0E03, 0x0039, 0x0E06
SHOWN, MAIL, ADDRESS, KIND = 0x3001, 0x39FE, 0x3003, 0x0C15
LONG, SHORT, MEDIA_TYPE, DATA, FLAGS, HIDDEN = 0x3707, 0x3704, 0x370E, 0x3701, 0x3714, 0x7FFE
PAGE, HTML_PAGE = 0x3FFD, 0x3FDE
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def streams(values: Values, folder: str, codec: str) -> dict[str, bytes]:
    """The streams of a message or of a part of it; with a codec its texts are not in Unicode."""
    made, fixed = {}, bytes(8 if folder else 32)
    for key, value in values.items():
        if isinstance(value, str | bytes):
            kind = 0x102 if isinstance(value, bytes) else 0x1E if codec else 0x1F
            data = value if isinstance(value, bytes) else value.encode(codec or "utf-16-le")
            made[f"{folder}__substg1.0_{key:04X}{kind:04X}"] = data
            fixed += struct.pack("<HHIQ", kind, key, 6, len(data))
        elif isinstance(value, datetime):
            ticks = int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
            fixed += struct.pack("<HHIQ", 0x40, key, 6, ticks)
        elif isinstance(value, int):
            fixed += struct.pack("<HHIQ", 3, key, 6, value)
    return made | {f"{folder}__properties_version1.0": fixed}


def message(
    values: Values, recipients: Iterable[Values] = (), attachments: Iterable[Values] = (), codec: str = ""
) -> bytes:
    found = streams(values, "", codec)
    for kind, parts in (("recip", recipients), ("attach", attachments)):
        for number, part in enumerate(parts):
            found |= streams(part, f"__{kind}_version1.0_#{number:08X}/", codec)
    return compound_file(found)


def read(values: Values, *more: Iterable[Values], codec: str = "") -> ParsedDocument:
    return parse_file(message(values, *more, codec=codec), "m.msg")


PUMP: Values = {
    CLASS: "IPM.Note",
    SUBJECT: "泵的问题",
    SENDER: "Ann",
    SENDER_ADDRESS: "/O=FIRM/CN=ANN",
    SENDER_MAIL: "a@x.example",
    SUBMITTED: MOMENT,
    BODY: "Dear all,\r\n\r\nthe pump leaks.\r\n",
    HTML: b"<p>html</p>",
}
PEOPLE: list[Values] = [
    {KIND: 1, SHOWN: "Bob", MAIL: "b@x.example"},
    {KIND: 0x10000001, SHOWN: "c@x.example", ADDRESS: "c@x.example"},
    {KIND: 2, SHOWN: "Dora", ADDRESS: "/O=FIRM/CN=DORA"},
    {KIND: 3, SHOWN: "hidden", MAIL: "h@x.example"},
]


def test_a_message_gives_what_the_same_mail_gives() -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "泵的问题", "Ann <a@x.example>"
    mail["To"], mail["Cc"] = "Bob <b@x.example>, c@x.example", "Dora"
    mail["Date"] = "Fri, 02 Jan 2026 03:04:05 +0000"
    mail.set_content("Dear all,\n\nthe pump leaks.\n")
    mail.add_alternative("<p>html</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="leak.pdf")
    mail.add_attachment(b"x", maintype="image", subtype="png")
    attachments: list[Values] = [
        {SHORT: "LEAK~1.PDF", LONG: "leak.pdf", DATA: b"%PDF"},
        {MEDIA_TYPE: "image/png"},
        {LONG: "logo.png", FLAGS: 4},
        {LONG: "sign.png", HIDDEN: 1},
    ]
    found = read(PUMP, PEOPLE, attachments)
    assert found == parse_file(mail.as_bytes(), "m.eml")
    assert found.metadata["attachments"] == ["leak.pdf", "image/png"]
    assert found.metadata["date"] == "2026-01-02T03:04:05+00:00"


def test_people_and_date_are_taken_from_where_they_are() -> None:
    shown = read({BODY: "x", TO: "Bob; Cem", CC: "Dora", 0x0C1A: "Ann", 0x0C1F: "a@x.example", DELIVERED: MOMENT})
    assert shown.text == ("From: Ann <a@x.example>\nTo: Bob; Cem\nCc: Dora\nDate: Fri, 02 Jan 2026 03:04:05 +0000\n\nx")
    assert shown.title == "m"
    other = read(
        {BODY: "x", SENDER: "Ann\0rest", SENDER_ADDRESS: "/O=FIRM/CN=ANN@FIRM", TO: "B\x01ob"}, (), [{LONG: "a\0b"}]
    )
    assert other.metadata == {"from": "Ann", "to": "Bob", "attachments": ["a"]}
    bare = read({SUBJECT: "s", BODY: "x", SUBMITTED: -1 % 2**64}, [{KIND: 1}], [{}])
    assert (bare.text, bare.metadata) == (
        "s\n\nx\n\nAttachments: application/octet-stream",
        {"attachments": ["application/octet-stream"]},
    )


CHINESE = "电机过热时请先检查散热风扇，更换滤芯后再启动设备。"


@pytest.mark.parametrize(
    ("page", "codec"), [({PAGE: 936}, "gbk"), ({HTML_PAGE: 54936}, "gb18030"), ({PAGE: 65001}, "utf-8"), ({}, "gbk")]
)
def test_texts_without_unicode_are_read_in_their_code_page(page: Values, codec: str) -> None:
    found = read({**page, SUBJECT: CHINESE, BODY: CHINESE * 2}, [{KIND: 1, SHOWN: CHINESE}], codec=codec)
    assert found.text == f"{CHINESE}\n\nTo: {CHINESE}\n\n{CHINESE * 2}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({HTML: f"<table><tr><td>a<td>{CHINESE}</table>".encode("gbk"), HTML_PAGE: 936}, f"| a | {CHINESE} |"),
        ({HTML: f"<meta charset=gb2312><p>{CHINESE}".encode("gbk")}, CHINESE),
        ({HTML: f"<p>{CHINESE}", BODY: " \r\n"}, CHINESE),
        ({RICH: compressed_rtf.compress(rb"{\rtf1\ansi plain \'e9\par}")}, "plain é"),
        ({RICH: compressed_rtf.compress(b"{\\rtf1\\ansicpg936 " + CHINESE.encode("gbk") + b"}", False)}, CHINESE),
        (
            {
                RICH: compressed_rtf.compress(
                    rb"{\rtf1\ansi\fromhtml1{\*\htmltag18 <html>}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 kept"
                    rb"{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 text\htmlrtf\par}\htmlrtf0{\*\htmltag72 </p>}}"
                )
            },
            "kept text",
        ),
        ({BODY: "plain", HTML: b"<p>html", RICH: b"damaged"}, "plain"),
    ],
)
def test_the_body_is_the_plain_one_else_html_else_rich_text(body: Values, expected: str) -> None:
    assert read({SUBJECT: "s", **body}).text == f"s\n\n{expected}"


def test_encrypted_messages_are_refused_and_signed_ones_read() -> None:
    sealed: list[dict[int, object]] = [{CLASS: "IPM.Note.SMIME"}, {BODY: "\r\n-----BEGIN PGP MESSAGE-----\r\nx"}]
    for values in sealed:
        with pytest.raises(ParseError, match=r"m\.msg is encrypted or sealed"):
            read({SUBJECT: "s"} | values, (), [{LONG: "smime.p7m", DATA: b"0"}])
    inner = (
        b"Content-Type: multipart/signed; boundary=S\r\n\r\n--S\r\nContent-Type: multipart/mixed; boundary=M\r\n\r\n"
        b"--M\r\n\r\nSigned text.\r\n--M\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--M--\r\n"
        b"--S\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx\r\n--S--\r\n"
    )
    signed = read({CLASS: "IPM.Note.SMIME.MultipartSigned", SUBJECT: "s"}, (), [{LONG: "smime.p7m", DATA: inner}])
    assert signed.text == "s\n\nSigned text.\n\nAttachments: a.pdf, smime.p7s"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message({CLASS: "IPM.Note"}), "holds no text"),
        (compound_file({"Workbook": b"x"}), r"is an old Excel workbook, not \.msg; give it the extension \.xls"),
        (b"From: a@x\nSubject: s\n\nx", r"is of an unknown type, not \.msg"),
        (message({RICH: b"x" * 20}), r"is damaged \(Exception: Unknown type"),
        (message(PUMP)[:700], "is damaged"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_file(data, "m.msg")
    with pytest.raises(ParseError, match=r"m\.txt is an Outlook message, not txt"):
        parse_file(message(PUMP), "m.txt")


def test_a_body_of_rich_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = message({RICH: compressed_rtf.compress(b"{\\rtf1 text}")})
    assert parse_file(data, "m.msg").text == "text"
    monkeypatch.setattr(msg, "_MAX_RICH_BYTES", 20)
    with pytest.raises(ParseError, match=r"m\.msg has a body of 0 MiB of rich text, the most is 0"):
        parse_file(data, "m.msg")


SAMPLE = message(PUMP, PEOPLE, [{LONG: "leak.pdf", DATA: b"%PDF"}])
RICH_BODY = compressed_rtf.compress(rb"{\rtf1\ansi Dear \b all,\par the pump leaks.\par}")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**20), st.binary(max_size=12), st.booleans())
def test_damaged_messages_give_a_document_or_a_parse_error(at: int, junk: bytes, cut: bool) -> None:
    place = at % len(SAMPLE)
    read_or_refused(SAMPLE[:place] + junk + (b"" if cut else SAMPLE[place + len(junk) :]))
    place = at % len(RICH_BODY)
    read_or_refused(message({RICH: RICH_BODY[:place] + junk + (b"" if cut else RICH_BODY[place + len(junk) :])}))


def read_or_refused(data: bytes) -> None:
    try:
        assert parse_file(data, "m.msg").text.strip()
    except ParseError as error:
        assert error.remedy


def test_names_people_and_time_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read({BODY: "x", SENDER: "a" * 50_000}).text) < 2 * msg._MAX_NAME
    monkeypatch.setattr(msg_properties, "_MAX_PARTS", 2)
    assert read(PUMP, PEOPLE).text.count("@") == 3  # of the sender, and of two of the people
    monkeypatch.setattr(msg_properties, "Deadline", lambda name: Deadline(name, 0))
    with pytest.raises(ParseError, match=r"m\.msg takes more than 0 s of processor time"):
        read(PUMP)

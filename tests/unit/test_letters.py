"""A person's own words in a mail: without quotes and signatures; what programs write is told apart (RFC 3834)."""

import base64
import time

import pytest

from service.mail_in.letters import Letter, own_words


def mail(body: str, **headers: str) -> bytes:
    head = {"From": "Asha <asha@example.com>", "Message-ID": "<1@example.com>"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body.replace("\n", "\r\n")).encode()


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, 2 Mar 2026 at 12:00, Cedar <reply+abc@in.example> wrote:\n> Your price",
        "On Mon, 2 Mar 2026 at 12:00, Cedar\n<reply+abc@in.example> wrote:\n\n> Your price",
        "Am 02.03.2026 um 12:00 schrieb Cedar:\n> Ihr Preis",
        "Le 2 mars 2026 à 12:00, Cedar a écrit :\n> Votre prix",
        "El 2 mar 2026, Cedar escribió:\n> Su precio",
        "सोम, 2 मार्च 2026 को 12:00 बजे Cedar <reply+abc@in.example> ने लिखा:\n> कीमत",
        "-----Original Message-----\nFrom: Cedar",
        "From: Cedar <reply+abc@in.example>\nSent: Monday\nTo: Asha",
        "________________________________\nFrom: Cedar",
        "> Your price is 5000",
        "-- \nAsha, Hill Road",
        "Sent from my iPhone",
    ],
)
def test_what_is_quoted_and_signed_is_not_said(quoted: str) -> None:
    assert own_words(f"Yes, please.\n\nAnd come early.\n\n{quoted}\n") == "Yes, please.\n\nAnd come early."


def test_words_that_only_look_like_quotes_stay() -> None:
    said = "On Monday I am away.\nFrom then on, call me."
    assert own_words(said) == said


def test_html_alone_is_read_as_it_is_shown() -> None:
    html = "<div>Yes &amp; thanks<br>now</div><div class='gmail_quote'>On x wrote:<p>old</p></div><style>p{}</style>"
    assert Letter(mail(html, Content_Type="text/html; charset=utf-8")).words == "Yes & thanks\nnow"


def test_charsets_and_broken_mails_do_not_raise() -> None:
    assert Letter(mail("हाँ", Content_Type="text/plain; charset=no-such")).words == "हाँ"
    assert isinstance(Letter(b"\xff\x00").words, str)
    assert Letter(b"").name == ""


@pytest.mark.parametrize(
    ("headers", "is_automatic"),
    [
        ({}, False),
        ({"Auto_Submitted": "no"}, False),
        ({"Auto_Submitted": "auto-replied; owner-email=x"}, True),
        ({"Auto_Submitted": "auto-generated"}, True),
        ({"Precedence": "bulk"}, True),
        ({"List_Id": "<l.example>"}, True),
        ({"Return_Path": "<>"}, True),
        ({"X_Autoreply": "yes"}, True),
    ],
)
def test_programs_are_known(headers: dict[str, str], is_automatic: bool) -> None:
    assert Letter(mail("I am away", **headers)).is_automatic is is_automatic


PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"


def mixed(*parts: str, kind: str = "mixed") -> bytes:
    body = "".join(f"--b\n{part}\n" for part in parts) + "--b--\n"
    return mail(body, Content_Type=f"multipart/{kind}; boundary=b")


@pytest.mark.parametrize(
    "text",
    [
        "On Mon, 2 Mar 2026 at 12:00, Cedar wrote:\n> Your price is 5000.\n> -- \n> Cedar\n\nNo, 6000.\n\nAsha",
        "Am 02.03.2026 um 12:00 schrieb Cedar:\n> Ihr Preis\n\nNo, 6000.\n\nAsha",
        "> Your price is 5000.\nNo, 6000.\n> Yours\n\nAsha",
        "No, 6000.\n\nOn Mon, 2 Mar 2026 at 12:00, Cedar wrote:\n> Your price\n> is 5000\n\nAsha",
    ],
)
def test_what_stands_below_or_between_what_is_quoted_is_said_too(text: str) -> None:
    assert own_words(text).split() == ["No,", "6000.", "Asha"]


def test_what_is_quoted_without_marks_has_no_words_of_theirs_behind_it() -> None:
    assert own_words("Yes\n\nOn Tuesday, 10 February 2026 16:25, Cedar wrote:\n\nYour price is 5000.") == "Yes"


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<p>On Mon, 2 Mar 2026 Cedar wrote:</p><blockquote>old</blockquote><p>Yes</p>", "Yes"),
        ("<blockquote>one</blockquote><p>No</p><blockquote>two</blockquote><p>thanks</p>", "No\n\nthanks"),
        ("Yes<div id='divRplyFwdMsg'>From: Cedar</div><div>Your price is 5000</div>", "Yes"),
        ("<style>p{}</style>Yes<br>and<wbr>now<img src=x>", "Yes\nandnow"),
    ],
)
def test_html_is_read_with_its_quotes_left_out(html: str, words: str) -> None:
    assert Letter(mail(html, Content_Type="text/html")).words == words


def test_all_of_a_mail_counts_and_nothing_of_mails_within_it() -> None:
    assert Letter(mixed(f"{PLAIN}Yes", f"{PLAIN}if you pay 6000")).words.split() == ["Yes", "if", "you", "pay", "6000"]
    within = f"Content-Type: message/rfc822\n\nSubject: Your price\n{PLAIN}Do you say yes?"
    forwarded = Letter(mixed(f"{HTML}<p>No</p>", within))
    assert (forwarded.words, forwarded.files) == ("No", 1)
    both = Letter(mixed(f"{PLAIN}Yes", f"{HTML}<b>Yes</b>", kind="alternative"))
    assert (both.words, both.files, both.is_clear) == ("Yes", 0, True)
    blank = Letter(mixed(f"{PLAIN} ", f"{HTML}<b>Yes</b>", kind="alternative"))
    assert blank.words == "Yes"


def test_files_are_counted_and_a_signatures_picture_is_none() -> None:
    photo = 'Content-Type: image/jpeg\nContent-Disposition: inline; filename="IMG_1.jpg"\n\nx'
    logo = 'Content-Type: image/png; name="logo.png"\nContent-ID: <1>\nContent-Disposition: inline\n\nx'
    signed = 'Content-Type: application/pkcs7-signature; name="smime.p7s"\nContent-Disposition: attachment\n\nx'
    note = 'Content-Type: text/plain\nContent-Disposition: attachment; filename="a.txt"\n\nnot said'
    letter = Letter(mixed(f"{PLAIN}Yes", photo, logo, signed, note))
    assert (letter.words, letter.files) == ("Yes", 2)


def test_words_that_cannot_be_told_from_what_they_quote_are_shown_with_it_and_are_not_clear() -> None:
    letter = Letter(mail("-----Original Message-----\nFrom: Cedar\n\nYour price is 5000. >> but I want 6000"))
    assert "but I want 6000" in letter.words
    assert not letter.is_clear
    assert not Letter(mail("Yes\n\n" + "> x\n" * 100_000)).is_clear, "nobody reads what comes after"


@pytest.mark.parametrize(
    ("charset", "raw", "words"),
    [
        ("us-ascii", "हाँ".encode(), "हाँ"),
        ("iso-8859-1", b"don\x92t", "don\u2019t"),
        ("gb2312", "可以".encode("gb18030"), "可以"),
        ("utf-8", b"caf\xe9", "caf\xe9"),
        ("windows-1256", "نعم".encode("cp1256"), "نعم"),
        *((name, b"yes", "yes") for name in ("idna", "undefined", "hex", "rot13", "x\x00y", "utf-8;")),
    ],
)
def test_charsets_are_read_as_they_are_meant(charset: str, raw: bytes, words: str) -> None:
    head = f'Content-Type: text/plain; charset="{charset}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    assert Letter(head.encode() + base64.encodebytes(raw)).words == words


@pytest.mark.parametrize(
    "html",
    ["<a>" * 40_000 + "</b>" * 30_000, "<!--" * 60_000, "</" * 120_000, "<a " * 80_000, "&" * 200_000, "<![" * 80_000],
)
def test_no_mail_takes_long_to_read(html: str) -> None:
    began = time.process_time()
    assert isinstance(Letter(mail(html, Content_Type="text/html")).words, str)
    assert time.process_time() - began < 3

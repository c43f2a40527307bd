"""A person's own words in a mail: without quotes and signatures; what programs write is told apart (RFC 3834)."""

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

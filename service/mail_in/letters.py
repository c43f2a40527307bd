"""What a person wrote in a mail: its own words, without those it quotes, without a signature. Pure.

Who writes by themselves are programs (RFC 3834, §5; RFC 2076 for `Precedence`; RFC 2919 for lists): their mail is no
reply, and never answered.
"""

import email
import email.errors
import re
from email.message import Message
from email.policy import compat32
from email.utils import parseaddr
from html.parser import HTMLParser
from itertools import islice
from typing import Final

READ: Final = 256 * 1024
LONGEST: Final = 4000
MOST_PARTS: Final = 50
_BULK: Final = frozenset({"bulk", "junk", "list", "auto_reply"})
# How mail programs begin what they quote. After one of these nothing is the writer's own.
_QUOTE_BEGINS: Final = re.compile(
    r"""(?imx)^[ \t]*(?:
      -{2,}[ \t]*(?:original[ ]message|forwarded[ ]message|urspr.ngliche[ ]nachricht|message[ ]d.origine
        |mensaje[ ]original|मूल[ ]संदेश)[ \t]*-{2,}
    | _{20,}[ \t]*$
    | (?:from|von|de|प्रेषक)[ \t]*:[ ][^\n]*@[^\n]*\n[ \t]*
        (?:sent|date|to|gesendet|datum|an|envoy.|enviado|fecha|para|दिनांक)[ \t]*:
    | (?:on|am|le|el)\b[^\n]{5,200}?(?:\n[^\n]{0,200}?)?(?:wrote|schrieb[^\n:]{0,80}|a[ ].crit|escribi.)[ \t]?:[ \t]*$
    | [^\n]{5,200}?(?:\n[^\n]{0,200}?)?(?:ने[ ]लिखा)[ \t]?:[ \t]*$
    )"""
)
# The dashes of RFC 3676, §4.3, and what telephones add.
_SIGNATURE: Final = re.compile(
    r"(?im)^(?:--[ ]?$|[ \t]*(?:sent from (?:my|outlook|yahoo)|get outlook for|von meinem|envoy. de mon|enviado desde))"
)
_LEFT_OUT: Final = frozenset({"blockquote", "style", "script", "head", "title"})
_BREAKS: Final = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3"})


class Letter:
    """A mail that came in for one of our reply addresses."""

    def __init__(self, content: bytes) -> None:
        try:
            self._mail = email.message_from_bytes(content[:READ], policy=compat32)
            self._parts = list(islice(self._mail.walk(), MOST_PARTS))
        except (ValueError, LookupError, RecursionError, AttributeError, TypeError, email.errors.MessageError):
            self._mail, self._parts = Message(), []

    @property
    def name(self) -> str:
        """Its Message-ID, by which a redelivery is known; empty where it has none."""
        return " ".join(str(self._mail["Message-ID"] or "").split())[:250]

    @property
    def sender(self) -> str:
        """From whose address it comes, as it says itself; empty where it says none."""
        return parseaddr(str(self._mail["From"] or ""))[1].strip()

    @property
    def is_automatic(self) -> bool:
        """Whether no person wrote it."""
        said = str(self._mail["Auto-Submitted"] or "no").split(";")[0].strip().lower()
        precedence = str(self._mail["Precedence"] or "").strip().lower()
        odd = any(self._mail[h] for h in ("List-Id", "List-Unsubscribe", "X-Autoreply", "X-Autorespond", "X-Loop"))
        return said != "no" or precedence in _BULK or odd or str(self._mail["Return-Path"] or "x").strip() == "<>"

    @property
    def words(self) -> str:
        """The writer's own words."""
        return own_words(self._text())

    def _text(self) -> str:
        for kind in ("text/plain", "text/html"):
            for part in self._parts:
                if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
                    text = _decoded(part)
                    if text.strip():
                        return text if kind == "text/plain" else _shown(text)
        return ""


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def own_words(text: str) -> str:
    """The text without what it quotes and without its signature."""
    text = text.replace("\r\n", "\n")
    for ends in (_QUOTE_BEGINS, _SIGNATURE):
        if found := ends.search(text):
            text = text[: found.start()]
    lines = [line for line in text.split("\n") if not line.lstrip().startswith(">")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()[:LONGEST]


class _Shown(HTMLParser):
    """HTML as text, without what is quoted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = " ".join(v or "" for k, v in attrs if k in ("class", "id"))
        left_out = tag in _LEFT_OUT or "gmail_quote" in names or "yahoo_quoted" in names or "divRplyFwdMsg" in names
        if tag in _BREAKS:
            self.said.append("\n")
        if tag not in ("br", "img", "meta", "hr", "input", "link"):
            self._open.append((tag, left_out))

    def handle_endtag(self, tag: str) -> None:
        for n in range(len(self._open) - 1, -1, -1):
            if self._open[n][0] == tag:
                del self._open[n:]
                return

    def handle_data(self, data: str) -> None:
        if not any(left_out for _, left_out in self._open):
            self.said.append(data)


def _shown(html: str) -> str:
    parser = _Shown()
    parser.feed(html)
    parser.close()
    text = "".join(parser.said).replace("\u00a0", " ")
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))

"""The visible text of an HTML mail, with quotes marked as in plain mails. Pure.

Read in one pass: Python's own HTMLParser takes minutes for 200 KB of `<!--`, and whoever was written to may send it.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

# The mark of a quoted line (RFC 3676, §4.5), and the line after which everything is quoted.
QUOTED: Final = ">"
ALL_QUOTED: Final = "-----Original Message-----"
_MARKUP: Final = re.compile(r"<!--|<[!?][^<>]*>|<(/?)([A-Za-z][A-Za-z0-9:-]*)([^<>]*)>")
_NAMES: Final = re.compile(r"""(?i)\b(?:class|id)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_LEFT_OUT: Final = frozenset({"style", "script", "head", "title", "template"})
_BREAKS: Final = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "blockquote"})
# HTML, "Void elements": elements without end tags.
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
# No legitimate mail is nested deeper, and the search for an element to close is bounded by this.
_DEEPEST: Final = 150
_QUOTES: Final = ("gmail_quote", "yahoo_quoted")


class _Page:
    """The open elements at a place in the mail, and the text so far."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._hidden = 0

    def begin(self, tag: str, attributes: str) -> None:
        names = " ".join("".join(found) for found in _NAMES.findall(attributes))
        is_quote = tag == "blockquote" or any(name in names for name in _QUOTES)
        if not self._hidden:
            if "divRplyFwdMsg" in names:
                self.pieces.append(f"\n{ALL_QUOTED}\n")
            if is_quote:
                self.pieces.append(f"\n{QUOTED}\n")
            elif tag in _BREAKS:
                self.pieces.append("\n")
        if tag not in _VOID and len(self._open) < _DEEPEST:
            is_hidden = is_quote or tag in _LEFT_OUT
            self._open.append((tag, is_hidden))
            self._hidden += is_hidden

    def end(self, tag: str) -> None:
        for n in range(len(self._open) - 1, -1, -1):
            if self._open[n][0] == tag:
                self._hidden -= sum(is_hidden for _, is_hidden in self._open[n:])
                del self._open[n:]
                return

    def show(self, text: str) -> None:
        if text and not self._hidden:
            self.pieces.append(unescape(text))


def _markup(html: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Each text with the markup after it; an unterminated comment extends to the end."""
    begin = 0
    while found := _MARKUP.search(html, begin):
        yield html[begin : found.start()], found
        begin = found.end()
        if found[0] == "<!--":
            ends = html.find("-->", begin)
            if ends < 0:
                return
            begin = ends + 3
    yield html[begin:], None


def visible_text(html: str) -> str:
    """The text; a line with `QUOTED` stands where something is quoted, `ALL_QUOTED` before what is to the end."""
    page = _Page()
    for text, found in _markup(html):
        page.show(text)
        if found and found[2]:
            tag = found[2].lower()
            if found[1]:
                page.end(tag)
            else:
                page.begin(tag, found[3])
    text = "".join(page.pieces).replace("\u00a0", " ")
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))

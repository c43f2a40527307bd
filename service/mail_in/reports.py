"""What a mail that came in reports: delivery status (RFC 3464), complaint (RFC 5965), or what programs write without
either.

Pure: bytes in, a `DeliveryReport` out; nothing of a mail's text is kept but status codes and a few cleaned words.
"""

import base64
import email
import email.errors
import email.header
import quopri
import re
from binascii import Error as BinasciiError
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from email.policy import compat32
from itertools import islice
from typing import Final, Literal

from msgspec import Struct

from service.mail_address import canonical_mail
from service.mail_in.report_words import (
    SAYS_NO,
    STATUS,
    is_about_us,
    is_away,
    is_bounce,
    is_complaint,
    is_delay,
    is_from_a_server,
    is_passing,
    reply_class,
    shown_words,
)

Kind = Literal["bounced", "delayed", "delivered", "complaint", "automatic", "other"]

MOST_PARTS: Final = 50
MOST_BLOCKS: Final = 20
READ_OF_TEXT: Final = 20_000
# A report stands before the mail that it returns; what follows may be as large as its sender liked.
READ_OF_MAIL: Final = 64 * 1024
# A few kilobytes; what stands after them is the mail that comes back.
READ_OF_REPORT: Final = 32 * 1024
_BASE64: Final = re.compile(rb"(?m)^(?:[A-Za-z0-9+/]{40,76}\r?\n)+[A-Za-z0-9+/]{0,76}={0,2}")
_LATE_REPORT: Final = re.compile(
    rb"(?im)^content-type:[ \t]*(?:\r?\n[ \t]+)?message/(?:(?:global-)?delivery-status|feedback-report)\b"
)
_REFUSAL: Final = re.compile(r"[45]\d\d[ -][^\n]*(?:\n[ \t>]*[45]\d\d[ -][^\n]*)*")
_RANK: Final = {"failed": 3, "delivered": 2, "delayed": 1}
# RFC 5965, §3.5 and IANA's list: a reader who says "this is no spam" complains of nothing.
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "virus", "dmarc"})


class DeliveryReport(Struct, frozen=True):
    """`status` is the enhanced code (`5.1.1`) where one was given.

    `is_about_us`: the words or the code tell of our sender, quota or standing, whatever else the code says; `words` are
    the server's, cleaned, where they do.
    `is_passing`: where the code is vague, the words tell of what passes (a full mailbox, a host that did not answer in
    time) or of this one mail (its size, its content).
    """

    kind: Kind
    status: str = ""
    is_about_us: bool = False
    is_passing: bool = False
    words: str = ""

    @property
    def is_permanent(self) -> bool:
        """Whether the mailbox itself will never take mail: its address (X.1, no host for it: 5.4.4) or mailbox (5.2.1).

        A full mailbox, a mail too big or unfit for it (X.6), a system's troubles (X.3), the way there (X.4: 5.4.6 and
        5.4.7 are loops and time that ran out), our standing and policy (X.7) say nothing of that.
        """
        if self.kind != "bounced" or not self.status.startswith("5.") or self.is_about_us or self.is_passing:
            return False
        subject = self.status.split(".")[1]
        return subject in ("0", "1", "5") or self.status in ("5.2.0", "5.2.1", "5.4.1", "5.4.4")


def read(content: bytes, *, is_bounce_address: bool, reader: str = "") -> DeliveryReport:
    """What the mail reports of `reader`. Those without form are looked for only where only bounces should arrive."""
    try:
        return _read(content, is_bounce_address=is_bounce_address, reader=reader)
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError):
        # No mail is so odd that its sender should try for days to bring it.
        return DeliveryReport("other")


def _read(content: bytes, *, is_bounce_address: bool, reader: str) -> DeliveryReport:
    mail = email.message_from_bytes(content[:READ_OF_MAIL], policy=compat32)
    parts = list(_parts(mail))
    if len(content) > READ_OF_MAIL and mail.get_content_maintype() == "multipart":
        parts += _late_report(content)
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part)
    if is_complaint(_subject(mail)):
        return DeliveryReport("complaint")
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            return _delivery(part, _first_text(parts), reader)
    if _is_automatic(mail):
        return DeliveryReport("automatic")
    return _in_words(mail, parts) if is_bounce_address else DeliveryReport("other")


def as_written(content: bytes) -> Iterator[bytes]:
    """The mail as received, then its encoded parts: the mail complained of may be in base64."""
    yield content
    yield quopri.decodestring(content)
    for block in islice(_BASE64.finditer(content), MOST_BLOCKS):
        with suppress(BinasciiError, ValueError):
            yield base64.b64decode(block[0])


def _parts(mail: Message) -> Iterator[Message]:
    for n, part in enumerate(mail.walk()):
        if n >= MOST_PARTS:
            return
        yield part


def _late_report(content: bytes) -> list[Message]:
    """A report behind a longer text than is read: Exchange explains itself in pages of HTML."""
    if not (found := _LATE_REPORT.search(content)):
        return []
    part, *_ = re.split(rb"\r?\n--", content[found.start() : found.start() + READ_OF_REPORT], maxsplit=1)
    return [email.message_from_bytes(part, policy=compat32)]


def _complaint(part: Message) -> DeliveryReport:
    fields = _blocks(part)
    kind = next((str(f["Feedback-Type"]).strip().lower() for f in fields if f["Feedback-Type"]), "other")
    return DeliveryReport("other" if kind in _NO_COMPLAINTS else "complaint")


def _blocks(part: Message) -> list[Message]:
    """A report's groups of fields. The parser makes mails of them, each in its own way: read from the text again.

    Some servers part the fields of one group by empty lines: a group goes on until a field of it comes again.
    """
    text = _decoded(_as_text(part), str(part["Content-Transfer-Encoding"] or "").strip().lower())
    blocks = re.split(r"\r?\n[ \t]*\r?\n", text.strip(), maxsplit=MOST_BLOCKS)[:MOST_BLOCKS]
    groups: list[Message] = []
    for block in blocks:
        fields = email.message_from_string(block + "\n\n", policy=compat32)
        if not groups or any(name in groups[-1] for name in fields):
            groups.append(fields)
            continue
        for name, value in fields.raw_items():
            groups[-1].set_raw(name, value)
    return groups


def _as_text(part: Message) -> str:
    inside = part.get_payload()
    if not isinstance(inside, list):
        return str(inside or "")
    found = [m for m in inside[:MOST_BLOCKS] if isinstance(m, Message)]
    return "\n\n".join(
        "\n".join([*(f"{k}: {v}" for k, v in m.raw_items()), "", _as_text(m)]).strip("\n") for m in found
    )


def _decoded(text: str, encoding: str) -> str:
    """RFC 6533 lets reports with addresses beyond ASCII be encoded, and some servers encode all of them."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        if encoding == "base64":
            return base64.b64decode(raw).decode("utf-8", "replace")
        if encoding == "quoted-printable":
            return quopri.decodestring(raw).decode("utf-8", "replace")
    except (BinasciiError, ValueError):
        pass
    return text


def _delivery(part: Message, text: str, reader: str) -> DeliveryReport:
    """What happened to our reader. `text`: what is told to people.

    Where no recipient is called so (each server writes addresses in its own way), the gravest that happened to any: a
    mail of ours has one. A copy that the reader sends on elsewhere is no matter of ours.
    """
    worst = DeliveryReport("other")
    rank = 0
    groups = _blocks(part)
    for fields in [g for g in groups if reader and _recipient(g) == _same(reader)] or groups:
        action = str(fields["Action"] or "").split(";")[0].split("(")[0].strip().lower()
        diagnosis = str(fields["Diagnostic-Code"] or "")
        status = _most_telling(str(fields["Status"] or ""), diagnosis)
        if not action and status:
            action = {"5": "failed", "4": "delayed", "2": "relayed"}[status[0]]
        if _RANK.get(action, 0) > rank:
            rank = _RANK[action]
            kinds: dict[str, Kind] = {"failed": "bounced", "delivered": "delivered", "delayed": "delayed"}
            # A failure without a code is one for good: "failed" is what the sender gave up on (RFC 3464, §2.3.3).
            status = status or ("5.0.0" if action == "failed" else "")
            worst = _bounced(status, diagnosis, text) if action == "failed" else DeliveryReport(kinds[action], status)
    return worst


def _bounced(status: str, diagnosis: str, text: str) -> DeliveryReport:
    """What an end means: by its code, then by the server's words, which some (Exim) write for people only."""
    words = diagnosis.strip()
    if not words and (quoted := _REFUSAL.search(text)):
        words = quoted[0]
    about_us = is_about_us(status, words)
    return DeliveryReport(
        "bounced", status, about_us, is_passing(status, words or text), shown_words(words) if about_us else ""
    )


def _recipient(fields: Message) -> str:
    """Whom a group is about, by the name that the server gives in the end (RFC 3464, §2.3.2)."""
    named = (str(value) for name, value in fields.raw_items() if name.lower() == "final-recipient")
    written = next(named, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _same(written.partition(";")[2])


def _same(address: str) -> str:
    """One form for all spellings; what is no address as it stands."""
    plain = "".join(address.partition("(")[0].split()).strip("<>")
    try:
        return canonical_mail(plain).lower()
    except ValueError:
        return plain.lower()


def _most_telling(status: str, diagnosis: str) -> str:
    """The report's code; where that says nothing (Exim writes 5.0.0 whatever happened), the server's own."""
    first, second = STATUS.search(status), STATUS.search(diagnosis)
    if first and second and first[2] == "0" and second[1] != "2":
        return second[0]
    found = first or second
    return found[0] if found else ""


def _is_automatic(mail: Message) -> bool:
    """An absence notice or the like (RFC 3834), which reports nothing."""
    auto_submitted = str(mail["Auto-Submitted"] or "").split(";")[0].strip().lower()
    return (
        auto_submitted == "auto-replied"
        or is_away(_subject(mail))
        or bool(mail["X-Autoreply"] or mail["X-Autorespond"])
        or str(mail["Precedence"] or "").strip().lower() == "auto_reply"
    ) and not mail["X-Failed-Recipients"]


def _in_words(mail: Message, parts: list[Message]) -> DeliveryReport:
    subject, text = _subject(mail), _first_text(parts)
    from_a_server = is_from_a_server(str(mail["From"] or ""))
    of_a_server = from_a_server or not str(mail["Return-Path"] or "x").strip("<> ")
    looked_at = subject + "\n" + text[:2000] if of_a_server else subject
    # Who reports in a language that nobody here reads still gives the code.
    says_no = from_a_server and bool(SAYS_NO.search(text))
    if not (mail["X-Failed-Recipients"] or is_bounce(looked_at) or is_delay(subject, "") or says_no):
        return DeliveryReport("other")
    status = next((m for m in STATUS.finditer(text) if m[1] != "2"), None)
    grave = status[1] if status else reply_class(text) or "5"
    if is_delay(subject, text if grave == "4" else ""):
        return DeliveryReport("delayed", status[0] if status else "")
    # Who says nothing of going on has given up, whatever the last answer was: qmail ends with 4.4.1.
    return _bounced(status[0] if status else f"{grave}.0.0", "", text)


def _subject(mail: Message) -> str:
    """As it is shown; as it came, where it cannot be decoded."""
    subject = str(mail["Subject"] or "")
    try:
        return str(email.header.make_header(email.header.decode_header(subject)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return subject


def _first_text(parts: list[Message]) -> str:
    """The human-readable text, in one part or several, without the returned mail."""
    texts: list[str] = []
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            break
        if part.get_content_maintype() == "text":
            texts.append(_text(part)[:READ_OF_TEXT])
    return "\n".join(texts)[:READ_OF_TEXT]


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""

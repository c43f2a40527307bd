"""What a mail that came in reports: delivery status (RFC 3464), complaint (RFC 5965), or what programs write without
either.

Pure: bytes in, a `Report` out; nothing of a mail's text is kept but status codes and a few cleaned words.
"""

import email
import re
from collections.abc import Iterator
from email.message import Message
from email.policy import compat32
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["bounced", "delayed", "delivered", "complaint", "automatic", "other"]

MOST_PARTS: Final = 50
READ_OF_TEXT: Final = 20_000
# RFC 3463, §2: class, subject, detail. RFC 5321's three digits for those who give no more.
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY_CODE: Final = re.compile(r"(?m)(?:^|[\s:>])([45])\d\d[ -]")
# How programs that write no report begin theirs: qmail, Exim, sendmail, Domino, Exchange.
_BOUNCE_WORDS: Final = re.compile(
    r"undeliver|not be delivered|delivery (?:has )?fail|failure notice|returned mail|permanent error"
    r"|delivery status notification|unable to deliver|user unknown|no such user",
    re.IGNORECASE,
)
_DELAY_WORDS: Final = re.compile(
    r"delayed|will (?:be )?(?:keep|continue|retry|tried)|warning: could not send", re.IGNORECASE
)
_RANK: Final = {"failed": 3, "delivered": 2, "delayed": 1}
# RFC 5965, §3.5 and IANA's list: a reader who says "this is no spam" complains of nothing.
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "virus", "dmarc"})


class Report(Struct, frozen=True):
    """`status` is the enhanced code (`5.1.1`) where one was given, `action` what the report says happened."""

    kind: Kind
    status: str = ""

    @property
    def is_permanent(self) -> bool:
        """Whether the mailbox itself will never take mail: its address or mailbox, not our standing or this text.

        A full mailbox (5.2.2), a mail too big or unfit for it (5.2.3, 5.3.4, 5.6) and policy (5.7) say nothing of that.
        """
        if self.kind != "bounced" or not self.status.startswith("5."):
            return False
        subject = self.status.split(".")[1]
        return subject not in ("6", "7") and self.status not in ("5.2.2", "5.2.3", "5.3.4")


def read(content: bytes, *, is_bounce_address: bool) -> Report:
    """What the mail reports. Reports without form are looked for only where nothing but bounces should arrive."""
    try:
        mail = email.message_from_bytes(content, policy=compat32)
        parts = list(_parts(mail))
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError):
        return Report("other")
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part)
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            return _delivery(part)
    if _is_automatic(mail):
        return Report("automatic")
    return _in_words(mail, parts) if is_bounce_address else Report("other")


def _parts(mail: Message) -> Iterator[Message]:
    for n, part in enumerate(mail.walk()):
        if n >= MOST_PARTS:
            return
        yield part


def _complaint(part: Message) -> Report:
    fields = _blocks(part)
    kind = next((str(f["Feedback-Type"]).strip().lower() for f in fields if f["Feedback-Type"]), "other")
    return Report("other" if kind in _NO_COMPLAINTS else "complaint")


def _blocks(part: Message) -> list[Message]:
    """A report's groups of fields: parsed already, or still text where the part was encoded."""
    inside = part.get_payload()
    if isinstance(inside, list):
        found = [m for m in inside if isinstance(m, Message)]
        if any(m.keys() for m in found):
            return found
    text = _text(part) or (str(found[0].get_payload()) if isinstance(inside, list) and found else "")
    return [
        email.message_from_string(block + "\n\n", policy=compat32) for block in re.split(r"\r?\n\r?\n", text.strip())
    ]


def _delivery(part: Message) -> Report:
    """The gravest thing that happened to any recipient: each mail of ours has one."""
    worst = Report("other")
    rank = 0
    for fields in _blocks(part):
        action = str(fields["Action"] or "").split(";")[0].strip().lower()
        status = _STATUS.search(str(fields["Status"] or "")) or _STATUS.search(str(fields["Diagnostic-Code"] or ""))
        shown = status[0] if status else ""
        if not action and shown:
            action = {"5": "failed", "4": "delayed", "2": "relayed"}[shown[0]]
        if _RANK.get(action, 0) > rank:
            rank = _RANK[action]
            kinds: dict[str, Kind] = {"failed": "bounced", "delivered": "delivered", "delayed": "delayed"}
            # A failure without a code is one for good: "failed" is what the sender gave up on (RFC 3464, §2.3.3).
            worst = Report(kinds[action], shown or ("5.0.0" if action == "failed" else ""))
    return worst


def _is_automatic(mail: Message) -> bool:
    """An absence notice or the like (RFC 3834), which reports nothing."""
    said = str(mail["Auto-Submitted"] or "").split(";")[0].strip().lower()
    return (
        said == "auto-replied"
        or bool(mail["X-Autoreply"] or mail["X-Autorespond"])
        or str(mail["Precedence"] or "").strip().lower() == "auto_reply"
    ) and not mail["X-Failed-Recipients"]


def _in_words(mail: Message, parts: list[Message]) -> Report:
    subject = str(mail["Subject"] or "")
    text = next((t for p in parts if p.get_content_maintype() == "text" and (t := _text(p))), "")[:READ_OF_TEXT]
    if not mail["X-Failed-Recipients"] and not _BOUNCE_WORDS.search(subject + "\n" + text[:2000]):
        return Report("other")
    status = next((m for m in _STATUS.finditer(text) if m[1] != "2"), None)
    code = _REPLY_CODE.search(text)
    grave = (status[1] if status else code[1] if code else "5") == "5"
    if not grave or _DELAY_WORDS.search(subject):
        return Report("delayed", status[0] if status else "")
    return Report("bounced", status[0] if status else "5.0.0")


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""

"""What a mail that came in reports: delivery status (RFC 3464), complaint (RFC 5965), or what programs write without
either.

Pure: bytes in, a `Report` out; nothing of a mail's text is kept but status codes and a few cleaned words.
"""

import base64
import email
import quopri
import re
from binascii import Error as BinasciiError
from collections.abc import Iterator
from email.message import Message
from email.policy import compat32
from typing import Final, Literal

from msgspec import Struct

from service.dispatch.channels.smtp_answers import answer_of
from service.domain.notices import Refused

Kind = Literal["bounced", "delayed", "delivered", "complaint", "automatic", "other"]

MOST_PARTS: Final = 50
MOST_BLOCKS: Final = 20
READ_OF_TEXT: Final = 20_000
# A report stands before the mail that it returns; what follows may be as large as its sender liked.
READ_OF_MAIL: Final = 64 * 1024
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
# Who writes reports (RFC 3464, §2.1.1 wants an empty return path; RFC 2142 names the postmaster).
_SERVERS: Final = re.compile(r"(?i)mailer-?daemon|postmaster|mail delivery (?:sub)?system|microsoftexchange")
# How programs begin the subject of absence notices that do not call themselves automatic.
_AWAY_WORDS: Final = re.compile(
    r"(?i)\s*(?:auto(?:matic|mated)?[- ]?(?:reply|response|antwort)|out of (?:the )?office|abwesenheit|automatische"
    r" antwort|r[eé]ponse automatique|respuesta autom[aá]tica|risposta automatica|ooo\b)"
)
_RANK: Final = {"failed": 3, "delivered": 2, "delayed": 1}
# RFC 5965, §3.5 and IANA's list: a reader who says "this is no spam" complains of nothing.
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "virus", "dmarc"})


class Report(Struct, frozen=True):
    """`status` is the enhanced code (`5.1.1`) where one was given.

    `is_about_us`: the words or the code tell of our sender, quota or standing, whatever else the code says.
    """

    kind: Kind
    status: str = ""
    is_about_us: bool = False

    @property
    def is_permanent(self) -> bool:
        """Whether the mailbox itself will never take mail: its address (X.1, no host for it: 5.4.4) or mailbox (5.2.1).

        A full mailbox, a mail too big or unfit for it (X.6), a system's troubles (X.3), the way there (X.4: 5.4.6 and
        5.4.7 are loops and time that ran out), our standing and policy (X.7) say nothing of that.
        """
        if self.kind != "bounced" or not self.status.startswith("5.") or self.is_about_us:
            return False
        subject = self.status.split(".")[1]
        return subject in ("0", "1", "5") or self.status in ("5.2.0", "5.2.1", "5.4.1", "5.4.4")


def read(content: bytes, *, is_bounce_address: bool) -> Report:
    """What the mail reports. Reports without form are looked for only where nothing but bounces should arrive."""
    try:
        mail = email.message_from_bytes(content[:READ_OF_MAIL], policy=compat32)
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
    """A report's groups of fields. The parser makes mails of them, each in its own way: read from the text again."""
    text = _decoded(_as_text(part), str(part["Content-Transfer-Encoding"] or "").strip().lower())
    blocks = re.split(r"\r?\n[ \t]*\r?\n", text.strip(), maxsplit=MOST_BLOCKS)[:MOST_BLOCKS]
    return [email.message_from_string(block + "\n\n", policy=compat32) for block in blocks]


def _as_text(part: Message) -> str:
    inside = part.get_payload()
    if not isinstance(inside, list):
        return str(inside or "")
    found = [m for m in inside[:MOST_BLOCKS] if isinstance(m, Message)]
    return "\n\n".join("\n".join([*(f"{k}: {v}" for k, v in m.items()), "", _as_text(m)]).strip("\n") for m in found)


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


def _delivery(part: Message) -> Report:
    """The gravest thing that happened to any recipient: each mail of ours has one."""
    worst = Report("other")
    rank = 0
    for fields in _blocks(part):
        action = str(fields["Action"] or "").split(";")[0].strip().lower()
        diagnosis = str(fields["Diagnostic-Code"] or "")
        shown = _most_telling(str(fields["Status"] or ""), diagnosis)
        if not action and shown:
            action = {"5": "failed", "4": "delayed", "2": "relayed"}[shown[0]]
        if _RANK.get(action, 0) > rank:
            rank = _RANK[action]
            kinds: dict[str, Kind] = {"failed": "bounced", "delivered": "delivered", "delayed": "delayed"}
            # A failure without a code is one for good: "failed" is what the sender gave up on (RFC 3464, §2.3.3).
            shown = shown or ("5.0.0" if action == "failed" else "")
            worst = Report(kinds[action], shown, action == "failed" and _is_about_us(shown, diagnosis))
    return worst


def _most_telling(status: str, diagnosis: str) -> str:
    """The report's code; where that says nothing (Exim writes 5.0.0 whatever happened), the server's own."""
    first, second = _STATUS.search(status), _STATUS.search(diagnosis)
    if first and second and first[2] == "0" and first[1] == second[1]:
        return second[0]
    found = first or second
    return found[0] if found else ""


def _is_about_us(status: str, words: str) -> bool:
    """As an answer to RCPT TO would be read: the words of a refusal are the same, whoever passes them on.

    Not asked where the code says all that there is to say (policy, X.7).
    """
    if status.startswith("5.7."):
        return False
    said = _STATUS.sub("", re.sub(r"(?i)^\s*(?:smtp|x-\w+)\s*;\s*", "", words))
    said = re.sub(r"^\s*[45]\d\d[ -]\s*", "", " ".join(said.split()))[:2000]
    return isinstance(answer_of("", "rcpt", 550, f"{status} {said}"), Refused)


def _is_automatic(mail: Message) -> bool:
    """An absence notice or the like (RFC 3834), which reports nothing."""
    said = str(mail["Auto-Submitted"] or "").split(";")[0].strip().lower()
    return (
        said == "auto-replied"
        or bool(_AWAY_WORDS.match(str(mail["Subject"] or "")))
        or bool(mail["X-Autoreply"] or mail["X-Autorespond"])
        or str(mail["Precedence"] or "").strip().lower() == "auto_reply"
    ) and not mail["X-Failed-Recipients"]


def _in_words(mail: Message, parts: list[Message]) -> Report:
    subject = str(mail["Subject"] or "")
    text = next((t for p in parts if p.get_content_maintype() == "text" and (t := _text(p))), "")[:READ_OF_TEXT]
    from_a_server = bool(_SERVERS.search(str(mail["From"] or ""))) or not str(mail["Return-Path"] or "x").strip("<> ")
    looked_at = subject + "\n" + text[:2000] if from_a_server else subject
    if not mail["X-Failed-Recipients"] and not _BOUNCE_WORDS.search(looked_at) and not _DELAY_WORDS.search(subject):
        return Report("other")
    status = next((m for m in _STATUS.finditer(text) if m[1] != "2"), None)
    code = _REPLY_CODE.search(text)
    grave = (status[1] if status else code[1] if code else "5") == "5"
    if not grave or _DELAY_WORDS.search(subject):
        return Report("delayed", status[0] if status else "")
    shown = status[0] if status else "5.0.0"
    refusal = re.search(r"[45]\d\d[ -][^\n]*(?:\n[ \t>]*[45]\d\d[ -][^\n]*)*", text)
    return Report("bounced", shown, _is_about_us(shown, refusal[0] if refusal else ""))


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""

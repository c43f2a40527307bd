"""Classifies a mail relay's refusal: about this message, its reader, or us.

The stage decides first: greeting, EHLO, STARTTLS, AUTH and MAIL FROM concern the relay and us, RCPT TO the reader, DATA
the message. Then the enhanced status code (RFC 3463, RFC 5248 and IANA's registry of them), then the text, for the
many servers that send no such code. Texts are from their documentation: Postfix's and Exim's sources, Microsoft's
Exchange Online's "NDR error codes", Google Workspace's "Gmail SMTP errors and codes", Amazon SES's "SMTP response
codes", SendGrid's "SMTP errors and troubleshooting".
"""

import re
from typing import Final, Literal

from service.channels.port import OutgoingMessage
from service.channels.words import cleaned_text
from service.domain.notices import NoAnswer, Permanent, Refused, Transient

Stage = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body"]

# Greylisting wants about 5 minutes (RFC 6647, §5).
GREYLISTED_S: Final = 300.0
GREYLIST_CODES: Final = (450, 451)
CLOSING: Final = 421
# At AUTH "a password transition is needed" (RFC 4954, §4), which people have to do. At other commands Exchange Online
# uses it for too many concurrent mails.
NEEDS_CHANGE: Final = 432
TRANSIENT: Final = 400
PERMANENT: Final = 500

# Codes about commands and authentication, at whichever command: RFC 5321, §4.2.2; RFC 4954, §6; RFC 7504.
_ABOUT_US: Final = frozenset({500, 502, 503, 504, 521, 523, 524, 525, 530, 534, 535, 538})
_ENHANCED: Final = re.compile(r"^\s*#?([245])\.(\d{1,3})\.(\d{1,3})\b[:\s]*")
# qmail and its derivatives write it at the end, in brackets: "(#5.7.1)".
_ENHANCED_AT_END: Final = re.compile(r"\(#([245])\.(\d{1,3})\.(\d{1,3})\)\s*$")
# X.1.7, X.1.8: the sender's address; X.4.5: congestion, at Google our sending limit; X.3.2, X.3.5: the system accepts
# no mail, or is misconfigured; 5.2.252: Exchange's SendAsDenied; 5.1.90: Exchange's daily limit of our mailbox.
_SENDER_STATUS: Final = frozenset({(1, 7), (1, 8), (1, 90), (4, 5), (3, 2), (3, 5), (2, 252)})
# Policies of one mailbox or its domain: moved owners (RFC 7293) and Exchange's restricted recipients.
_READERS_POLICY: Final = frozenset({(7, n) for n in (17, 18, 19, 124, 128, 129, *range(131, 138))})
_RELAY_WORDS: Final = re.compile(
    r"""relay(?:ing)?\ (?:access\ |is\ |operation\ |to\ \S+\ )*(?:denied|disallowed|not\ |prohibited|refused)
    |allowed\ rcpthosts|delivery\ is\ not\ allowed\ to\ this\ address|not\ local\ to\ this\ server
    |\b(?:to|cannot|not)\ relay\b
    |(?:turn\ on|use|enable)\ smtp[ -]auth|domain\ of\ sender|(?:invalid|unknown|bad)\ (?:envelope\ )?sender
    |sender(?:'s)?\ domain\ must|return[ -]path|outboundspam|wascl|submission\ quota
    |authenti\w*\ (?:is\ )?(?:required|failed|unsuccessful|disabled)
    |unauthenticated|not\ authenticated|must\ (?:issue|auth)
    |sender\ (?:address\ |domain\ )?(?:rejected|denied|refused|verif|is\ not|not\ )|verified\ sender|sender\ identity
    |(?:not|un)\ ?verified|(?:send|sending)\ as\b|sendasdenied
    |not\ (?:allowed|authorized|permitted)\ to\ send|from\ address""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_RELAYING: Final = re.compile(
    r"relay(?:ing)? (?:access |is |operation )*(?:denied|disallowed|prohibited|refused)|relay not permitted"
    r"|\b(?:unable|cannot|not permitted) to relay\b|authenti\w* (?:is )?required|not owned by user",
    re.IGNORECASE,
)
_POLICY_WORDS: Final = re.compile(
    r"""\bblock(?:ed|ing|list)|black\ ?list|deny\ ?list|dnsbl|\brbl\b|spamhaus|reputation|\bspam\b|unsolicited|\bbulk\b
    |\bspf\b|\bdkim\b|\bdmarc\b|\bpolicy|policies|prohibit|\bbanned|suspended|\bpaused|not\ (?:yet\ )?activated|sandbox
    |test\ purposes|\byour\ (?:account|ip|domain|plan|host|server)|unauthorized\ ip|client\ host|\bhelo\b|reverse\ dns
    |\bptr\b|access\ denied|too\ many\ (?:messages|connections)""",
    re.IGNORECASE | re.VERBOSE,
)
_OUR_QUOTA: Final = re.compile(
    r"(?:daily|hourly|monthly|sending|message|credits?|relay|account)\b[^.]{0,40}\b(?:quota|limit|exceeded)",
    re.IGNORECASE,
)
# Some send a 4xx for a sender that is not set up (Mailgun even a 421).
_NOT_SET_UP: Final = re.compile(r"not allowed to send|domain is (?:un|not )verified", re.IGNORECASE)
# A daily or monthly quota is not over within the minutes that a 4xx asks for.
_LONG_QUOTA: Final = re.compile(r"\b(?:daily|monthly|credits?)\b[^.]{0,40}\b(?:quota|limit|exceeded)", re.IGNORECASE)
# Some policy services report a missing mailbox with the code of policies, X.7.1.
_NO_READER: Final = re.compile(
    r"no such (?:user|recipient|mailbox|address|person)|(?:unknown|invalid) (?:user|recipient|mailbox)"
    r"|(?:user|recipient|mailbox)\b[^;:]{0,60} (?:unknown|not found|does(?: not|n't) exist)",
    re.IGNORECASE,
)
# Codes for a mailbox that does not exist: address unknown, host unknown, bad syntax, moved away, null MX.
_NO_MAILBOX: Final = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10)})
_CONTENT_WORDS: Final = re.compile(
    r"virus|malware|infected|phishing|attachment|security issue|\bcontent|\bheader|\bline too long|bare (?:lf|cr)",
    re.IGNORECASE,
)
_SIZE_WORDS: Final = re.compile(r"too (?:big|large|long)|message size|size (?:limit|exceeds)", re.IGNORECASE)


def result_of(
    provider: str, stage: Stage, code: int, text: str, message: OutgoingMessage | None = None
) -> Transient | Permanent | Refused | NoAnswer:
    """A relay's refusal as a provider result; the relay's text is kept, shortened and without addresses."""
    status, reply_text = _split(text)
    enhanced_code = ".".join(map(str, (code // 100, *status))) if status else ""
    words = " ".join(filter(None, (f"SMTP {code}", enhanced_code, cleaned_text(reply_text, message).strip(" :"))))
    if code < TRANSIENT or code >= PERMANENT + 100:
        # Not a refusal by the standard. After the mail was sent, such an answer does not tell whether it was accepted.
        unclear = f"an unexpected answer: {words}"
        # A relay that greets like this does not speak SMTP: treated like a failed connection.
        code_or_stage = "connect" if stage in ("connect", "ehlo") else str(code)
        return NoAnswer(provider, unclear) if stage == "body" else Transient(provider, code_or_stage, unclear)
    if code < PERMANENT:
        needs_people = code == NEEDS_CHANGE and stage == "auth"
        if _NOT_SET_UP.search(reply_text) or needs_people or (code != CLOSING and _turns_us_away(stage, reply_text)):
            return Refused(provider, str(code), words)
        return Transient(provider, str(code), words, GREYLISTED_S if code in GREYLIST_CODES else 0.0)
    if stage in ("connect", "ehlo", "starttls", "auth"):
        return Refused(provider, str(code), words)
    about = {"mail": _of_mail, "rcpt": _of_rcpt}.get(stage, _of_data)(code, status, reply_text)
    if about == "us":
        return Refused(provider, str(code), words)
    if about == "message":
        return Permanent(provider, str(code), words)
    return Permanent(provider, str(code), words, "bad_address", enhanced_code if status in _NO_MAILBOX else "")


def _turns_us_away(stage: Stage, reply_text: str) -> bool:
    """Whether a 4xx is about configuration or a long quota, which waiting does not solve.

    Relays with soft failures configured (Postfix's soft_bounce and defer_unauth_destination, Exim's `defer`) say 454 or
    450 where others say 554.
    """
    if _LONG_QUOTA.search(reply_text):
        return True
    return stage in ("mail", "rcpt", "data") and bool(_NO_RELAYING.search(reply_text))


def is_about_content(words: str) -> bool:
    """Whether a refusal is about this one mail: its content or size."""
    return bool(_CONTENT_WORDS.search(words) or _SIZE_WORDS.search(words))


_About = Literal["us", "reader", "message"]
_Status = tuple[int, int] | None


def _split(text: str) -> tuple[_Status, str]:
    """Subject and detail of the enhanced status code, and the text without the code, which may be in every line."""
    lines = text.encode("utf-8", "replace").decode().splitlines()
    found = next((m for line in lines if (m := _ENHANCED.match(line) or _ENHANCED_AT_END.search(line))), None)
    reply_text = " ".join(_ENHANCED.sub("", line) for line in lines)
    return ((int(found[2]), int(found[3])) if found else None), reply_text


def _of_mail(code: int, status: _Status, reply_text: str) -> _About:
    """Size and media that the relay cannot carry (X.6) concern the message; all else concerns our sender."""
    too_big = status in ((3, 4), (2, 3)) or (code == 552 and status is None) or bool(_SIZE_WORDS.search(reply_text))
    return "message" if too_big or (status is not None and status[0] == 6) else "us"


def _is_about_us(code: int, status: _Status, reply_text: str) -> bool:
    return code in _ABOUT_US or status in _SENDER_STATUS or bool(_RELAY_WORDS.search(reply_text))


def _of_rcpt(code: int, status: _Status, reply_text: str) -> _About:
    if status in _READERS_POLICY:
        return "reader"
    subject, detail = status or (0, 0)
    if _is_about_us(code, status, reply_text):
        return "us"
    if subject == 7:
        return "reader" if _NO_READER.search(reply_text) else "us"
    # A mailbox's own problems (X.1, X.2), and Exchange's "no such address here" (5.4.1), are unambiguous.
    if subject == 2:
        return "message"
    if (subject == 1 and detail != 0) or status == (4, 1):
        return "reader"
    return "us" if _POLICY_WORDS.search(reply_text) or _OUR_QUOTA.search(reply_text) else "reader"


def _of_data(code: int, status: _Status, reply_text: str) -> _About:
    subject = status[0] if status else 0
    if _is_about_us(code, status, reply_text):
        return "us"
    if is_about_content(reply_text) or subject in (2, 6) or status in _READERS_POLICY:
        return "message"
    if subject == 1:
        return "reader"
    return "us" if subject == 7 or _POLICY_WORDS.search(reply_text) or _OUR_QUOTA.search(reply_text) else "message"

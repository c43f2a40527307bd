"""How mail servers say in words what became of a mail, where they give no code, or one that says nothing.

Taken from what servers write: qmail, Exim, sendmail, Domino, GroupWise, Exchange ("NDR error codes"), Gmail, Yahoo.
"""

import re
from typing import Final

from service.channels.email.answers import is_about_content, result_of
from service.channels.words import cleaned_text
from service.domain.notices import Refused

# RFC 3463, §2: class, subject, detail. RFC 5321's three digits for those who give no more.
STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY_CODE: Final = re.compile(r"(?m)(?:^|[\s:>])([45])\d\d[ -]")
# A refusal as servers quote it: at the beginning of a line or after a colon, so that "in 550 days" is none.
SAYS_NO: Final = re.compile(r"(?m)(?:^[ \t>]*|[:#]\s*)5\d\d[ -]|(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])")
# How programs that write no report begin theirs.
_BOUNCE: Final = re.compile(
    r"undeliver|not (?:be )?delivered|delivery (?:has )?fail|failure notice|returned mail|permanent error"
    r"|delivery status notification|unable to deliver|user unknown|no such user|return(?:ing|ed) to sender"
    r"|\bndn\b|non-?delivery|unzustellbar|nicht zugestellt|\bnon remis|pas (?:pu )?(?:être )?(?:remis|distribu)"
    r"|no se (?:puede|pudo|ha podido) entregar|no entregado|impossibile (?:recapitare|consegnare)"
    r"|mancat[oa] (?:recapito|consegna)|não (?:foi )?(?:entregue|possível entregar)|не доставлен",
    re.IGNORECASE,
)
_DELAY: Final = re.compile(
    r"delayed|will (?:be )?(?:keep|continue|retr(?:y|ied)|tried)|warning: could not send|still being (?:re)?tried"
    r"|delivery incomplete|not need to (?:do anything|resend)",
    re.IGNORECASE,
)
# Who writes reports (RFC 3464, §2.1.1 wants an empty return path; RFC 2142 names the postmaster).
_SERVERS: Final = re.compile(
    r"(?i)mailer-?daemon|postmaster|post_office|mail delivery (?:sub)?system|microsoftexchange"
)
# How programs begin the subject of absence notices that do not call themselves automatic.
_AWAY: Final = re.compile(
    r"(?i)\s*(?:auto(?:matic|mated)?[- ]?(?:reply|response|antwort)|out of (?:the )?office|abwesenheit|automatische"
    r" antwort|r[eé]ponse automatique|respuesta autom[aá]tica|risposta automatica|ooo\b)"
)
# Outlook.com's Junk Mail Reporting Program passes the mail on without a report.
_COMPLAINT: Final = re.compile(r"(?i)\s*complaint about message from \d+\.\d+\.\d+\.\d+")
# What another day may mend: room in the mailbox, a host that answers, fewer mails in an hour.
_PASSING: Final = re.compile(
    r"""\bfull\b|quota|over(?:drawn|\ its\ limit)|(?:insufficient|not\ enough)\ (?:system\ |disk\ )?(?:storage|space)
    |tim(?:ed?|eout)[ -]?out|\btimeout\b|retry\ time|\btoo\ long\b|expired|temporar|try\ (?:again\ )?later
    |at\ a\ rate|too\ (?:quickly|fast|many)|grey-?list|connection\ (?:refused|reset|timed|was)
    |able\ to\ establish\ an\ smtp|\bvoll\b|überfüllt|speicherplatz|\bpleine\b|saturée|\bllen[ao]\b|\bpien[ao]\b""",
    re.IGNORECASE | re.VERBOSE,
)
# Details that servers give whatever happened (X.X.0), and Gmail's 5.2.1 for mailboxes that get too much mail at once.
_VAGUE: Final = re.compile(r"[45]\.\d+\.0|5\.2\.1")


def is_bounce(words: str) -> bool:
    """Whether a mail without a report says that another came back."""
    return bool(_BOUNCE.search(words))


def is_delay(subject: str, text: str) -> bool:
    """Whether it says that the other is still on its way."""
    return bool(_DELAY.search(subject) or _DELAY.search(text[:2000]))


def is_away(subject: str) -> bool:
    """Whether a mail of this subject says that its writer is away."""
    return bool(_AWAY.match(subject))


def is_complaint(subject: str) -> bool:
    """Whether a mail of this subject brings one that its reader called spam."""
    return bool(_COMPLAINT.match(subject))


def is_from_a_server(sender: str) -> bool:
    """Whether the name in From is one that mail servers write under."""
    return bool(_SERVERS.search(sender))


def reply_class(text: str) -> str:
    """4 or 5 of the first reply code in the text (RFC 5321, §4.2); empty where there is none."""
    found = _REPLY_CODE.search(text)
    return found[1] if found else ""


def is_about_us(status: str, words: str) -> bool:
    """As an answer to RCPT TO would be read: the words of a refusal are the same, whoever passes them on.

    A policy (5.7) that only this one mail met, such as a virus that was found, is not ours; nor is a 4.7, which is
    greylisting too, unless the words say so.
    """
    diagnosis = _diagnosis(words)
    if status.startswith("5.7.") and is_about_content(diagnosis):
        return False
    return isinstance(
        result_of("", "rcpt", 550, f"{status} {diagnosis}" if status.startswith("5.") else diagnosis), Refused
    )


def shown_words(words: str) -> str:
    """The words of a diagnosis for people: short, nobody's data in it."""
    return cleaned_text(_diagnosis(words)).strip(" :")


def is_passing(status: str, words: str) -> bool:
    """Whether the words tell of what passes, or of this one mail. Asked only where the code is vague."""
    if not _VAGUE.fullmatch(status):
        return False
    diagnosis = _diagnosis(words)
    return reply_class(words) == "4" or bool(_PASSING.search(diagnosis)) or is_about_content(diagnosis)


def _diagnosis(words: str) -> str:
    """The words of a diagnosis, without its type and codes."""
    diagnosis = STATUS.sub("", re.sub(r"(?i)^\s*(?:smtp|x-\w+)\s*;\s*", "", words))
    # Each line of a long answer begins with the code, and a hyphen.
    one = re.sub(r"(?:(?<=\s)|^)[45]\d\d-\s*", "", " ".join(diagnosis.split()))
    return re.sub(r"^\s*[45]\d\d\s+", "", one)[:2000]

"""Mail addresses: read as people write them, given one canonical form, refused with the reason in words.

The canonical form is what a mail envelope takes: the local part as it was given, in Unicode's form C (RFC 6532, §3.1),
and the domain in lower case, in ASCII (IDNA 2008 by way of UTS 46). It contains no blank, quote, bracket or control
character, so that nothing can end an SMTP command early.
"""

import re
import unicodedata
from email.policy import SMTP as SMTP_POLICY
from typing import Final

import idna

# RFC 5321, §4.5.3.1: 64 octets of local part, 255 of domain, 256 of path with its two brackets.
LOCAL_OCTETS: Final = 64
ADDRESS_OCTETS: Final = 254
# RFC 5322's dot-atom, with what RFC 6531 adds: anything beyond ASCII.
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_LOCAL: Final = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
# RFC 1123, §2.1: letters, digits and hyphens.
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Blanks, line ends, controls, invisible formatting, halves of surrogate pairs, private and unassigned characters.
_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"})
_TRIMMED: Final = " \t\r\n\u00a0\u200b\u2060\ufeff"
_OBSOLETE: Final = "ObsoleteHeaderDefect"
_NOT_ASCII: Final = "NonASCIILocalPartDefect"


def canonical_mail(text: str) -> str:
    """The canonical form of an address, blanks around it left out; raises ValueError with the reason in words.

    The reason never holds the address itself. Quoted local parts, address literals and domains without a dot
    (but `localhost`) are refused: no public mailbox has them.
    """
    address = unicodedata.normalize("NFC", text.strip(_TRIMMED)).replace("＠", "@")
    local, at, domain = address.rpartition("@")
    if not at:
        raise ValueError("not a mail address: it has no @")
    if not _LOCAL.fullmatch(local) or any(unicodedata.category(c) in _UNSEEN for c in local):
        raise ValueError("not a mail address: the part before the @ is empty or has invalid characters")
    if len(local.encode()) > LOCAL_OCTETS:
        raise ValueError(f"not a mail address: more than {LOCAL_OCTETS} bytes before the @")
    canonical = f"{local}@{canonical_domain(domain)}"
    if len(canonical.encode()) > ADDRESS_OCTETS:
        raise ValueError(f"not a mail address: it is longer than {ADDRESS_OCTETS} bytes")
    return canonical


def canonical_domain(text: str) -> str:
    """A domain name in lower-case ASCII (`bücher.example` is `xn--bcher-kva.example`); raises ValueError in words."""
    domain = text.removesuffix(".").lower()
    if not domain.isascii() or "xn--" in domain:
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii").removesuffix(".")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("not a mail address: its domain cannot be a domain name") from None
    labels = domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a mail address: its domain cannot be a domain name")
    if labels[-1].isdigit():
        raise ValueError("not a mail address: a domain name is expected, not an IP address")
    if len(labels) == 1 and domain != "localhost":
        raise ValueError("not a mail address: its domain has no dot, so no mailbox can be there")
    return domain


def mail_key(canonical: str) -> str:
    """Equal for addresses that are one mailbox: no server in use tells upper and lower case apart (RFC 5321, §2.4)."""
    return canonical.casefold()


def sender_of(text: str) -> tuple[str, str]:
    """Display name and canonical address of one mailbox as RFC 5322, §3.4 writes it (`"Cedar" <orders@…>`).

    Raises ValueError with the reason in words.
    """
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in text):
        raise ValueError("it has a line end or control character")
    header = SMTP_POLICY.header_factory("From", text)
    found = header.addresses
    if len(found) != 1 or not found[0].domain:
        raise ValueError(
            f"{len(found)} senders are read in it, one is needed; put a name that has a comma, semicolon, colon or "
            'quotes between quotes: "Cedar, Orders" <orders@example.com>'
        )
    defects = [d for d in header.defects if type(d).__name__ not in (_OBSOLETE, _NOT_ASCII)]
    if defects or any(g.display_name for g in header.groups):
        raise ValueError('write it as "Name" <name@example.com>, or as the address alone')
    return found[0].display_name, canonical_mail(found[0].addr_spec)

"""Destinations: countries and mail domains, which a provider may refuse us as a whole."""

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

LONGEST_CODE = 3


def destination_of(address: str) -> str:
    """The calling code of a phone number (`+91`), the domain of a mail address; empty for anything else."""
    if address.startswith("+"):
        # No calling code begins with another (ITU-T E.164, §6), so the first that fits is the one.
        for length in range(1, LONGEST_CODE + 1):
            head = address[1 : 1 + length]
            if head.isascii() and head.isdecimal() and int(head) in COUNTRY_CODE_TO_REGION_CODE:
                return f"+{head}"
        return ""
    local, at, domain = address.rpartition("@")
    return domain.lower() if at and local and "/" not in address else ""

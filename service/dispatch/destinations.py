"""Where an address lies: what a provider may refuse us as a whole, while it takes everything else."""

import phonenumbers


def destination_of(address: str) -> str:
    """The calling code of a phone number (`+91`), the domain of a mail address; empty for anything else."""
    if address.startswith("+"):
        try:
            return f"+{phonenumbers.parse(address).country_code}"
        except phonenumbers.NumberParseException:
            return ""
    local, at, domain = address.rpartition("@")
    return domain.lower() if at and local and "/" not in address else ""

"""A mail with an attached file, as it waits in the outbox."""

from typing import Final

from msgspec import Struct

MAIL: Final = "mail"


class ReportMail(Struct, frozen=True):
    """A mail to one address; sealed while it waits."""

    address: str
    subject: str
    text: str
    file_name: str
    file: str

"""Twilio's error codes in the domain's words. Source: Twilio's error and warning dictionary."""

from typing import Final, Literal

Kind = Literal["refused", "bad_address", "opted_out", "unregistered"]

OPTED_OUT: Final = frozenset({21610})
# invalid or unreachable numbers, landlines, no WhatsApp account behind the number
BAD_ADDRESS: Final = frozenset(
    {21211, 21217, 21401, 21407, 21421, 21601, 21604, 21614, 21624, 30003, 30005, 30006, 63003, 63024}
)
# queue overflow, rate limits of account, sender or channel: never processed
TRY_LATER: Final = frozenset({14107, 20429, 21611, 30001, 30022, 63018, 63038})


def kind_of(code: int) -> Kind:
    """What a permanent error says about the address."""
    if code in OPTED_OUT:
        return "opted_out"
    return "bad_address" if code in BAD_ADDRESS else "refused"

"""The key of an address, equal for all its spellings: opt-outs, caps, search, erasure and deduplication go by it.

Works on canonical addresses (see `service.canonical`). Three countries have written the same mobile number in two
ways, and networks and WhatsApp still use both: Mexico with and without a 1 after +52 (dropped by the IFT's numbering
plan in August 2019), Argentina with and without a 9 after +54 (ITU-T, "Argentina: national numbering plan"), Brazil
with eight digits and, since Anatel's resolution 553 of 2010, with a 9 before them.
"""

import re
from typing import Final

_MEXICO: Final = re.compile(r"\+521([0-9]{10})")
_MEXICO_PLAIN: Final = re.compile(r"\+52([0-9]{10})")
_ARGENTINA: Final = re.compile(r"\+549([0-9]{10})")
_ARGENTINA_PLAIN: Final = re.compile(r"\+54([0-9]{10})")
# Fixed lines begin with 2 to 5 and kept their eight digits.
_BRAZIL: Final = re.compile(r"\+55([1-9][0-9])([6-9][0-9]{7})")
_TWO_FORMS: Final = ("+521", "+549", "+55")
_BRAZIL_LONG: Final = re.compile(r"\+55([1-9][0-9])9([6-9][0-9]{7})")


def address_key(address: str) -> str:
    """The key: of a number with two forms the newer one, mail in lower case, no blanks."""
    text = "".join(address.split()).lower()
    if not text.startswith(_TWO_FORMS):
        return text
    if found := _MEXICO.fullmatch(text):
        return f"+52{found[1]}"
    if found := _ARGENTINA.fullmatch(text):
        return f"+54{found[1]}"
    if found := _BRAZIL.fullmatch(text):
        return f"+55{found[1]}9{found[2]}"
    return text


def both_forms(address: str) -> tuple[str, ...]:
    """The key and the number's other form: earlier releases stored digests of addresses as they were written."""
    key = address_key(address)
    if found := _MEXICO_PLAIN.fullmatch(key):
        return key, f"+521{found[1]}"
    if found := _ARGENTINA_PLAIN.fullmatch(key):
        return key, f"+549{found[1]}"
    if found := _BRAZIL_LONG.fullmatch(key):
        return key, f"+55{found[1]}{found[2]}"
    return (key,)

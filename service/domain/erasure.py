"""Erasing a person from an order: what identifies them goes, counts and times stay.

A request names one address. Everything else that the order ever knew of the person is found by it: former addresses,
the mail address beside the number, messages that went to both.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import unescape
from math import isfinite
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct, structs

from service.domain import ladders
from service.domain.address_keys import address_key, both_forms
from service.domain.causes import ErasePerson
from service.domain.channels import own_keys
from service.domain.conditions.tree import paths
from service.domain.conditions.used import conditions_of
from service.domain.conversation import ConversationState
from service.domain.draft import Draft
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.persons import Assignee, Person
from service.domain.workflow import Workflow

# The shortest and the longest phone numbers (ITU-T E.164, §6.2.1); prices and counts are rarely as long.
FEWEST_DIGITS: Final = 8
MOST_DIGITS: Final = 15
# A number in national form shares its last digits with its international form.
NATIONAL_DIGITS: Final = 8
# A channel's own address may be as short as "7": texts that short identify nobody.
FEWEST_LETTERS: Final = 4
# From here on, Unicode has the scripts of China, Japan and Korea.
_WITHOUT_BLANKS: Final = 0x2E80
_IN_ASCII: Final = "xn--"
# Between the labels of a domain it is a dot (RFC 3490, §3.1).
_IDEOGRAPHIC_DOT: Final = "\u3002"


class SentTo(Struct, frozen=True):
    """The reader of a message: on every channel, the same notice, audience and index mean the same person."""

    notice: str
    audience: str
    person: int
    address: str
    name: str = ""


class Traces(Struct, frozen=True):
    """What identifies a person: address keys, and names."""

    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def united(self, other: "Traces") -> "Traces":
        """The union of both."""
        return Traces(self.addresses | other.addresses, self.names | other.names)

    def named_in(self, value: Any, *, exactly: bool = False) -> bool:
        """Whether a text, number, list or mapping names the person, whatever the spelling of an address.

        `exactly`: by a whole name, not by one word of it.
        """
        if isinstance(value, Mapping):
            return any(self.named_in(x, exactly=exactly) for pair in value.items() for x in pair)
        if isinstance(value, (list, tuple)):
            return any(self.named_in(x, exactly=exactly) for x in value)
        if isinstance(value, bool) or value is None:
            return False
        unescaped = unescape(str(value))
        # In URLs and URL-encoded forms, an @ is %40.
        spelled = {unescaped, unquote(unescaped)} if "%" in unescaped else {unescaped}
        return any(self._in_text(text, exactly=exactly) for text in spelled)

    def _in_text(self, text: str, *, exactly: bool) -> bool:
        lowered = _folded(text)
        whole = [_folded(name) for name in self.names]
        if any(_stands_in(w, lowered) for w in (whole if exactly else {w for name in whole for w in _words(name)})):
            return True
        digits = "".join(c for c in lowered if c.isascii() and c.isdigit())
        for address in self.addresses:
            if address.startswith("+"):
                forms = (form.removeprefix("+") for form in both_forms(address))
                if any(form in digits or form[-NATIONAL_DIGITS:] in digits for form in forms):
                    return True
            elif address and (_mail_stands_in(address, lowered) or _own_stands_in(address, lowered)):
                return True
        return False


def _mail_forms(address: str) -> set[str]:
    """A mail address as stored, with its domain in ASCII, and in Unicode (RFC 5890, §2.3.2.1)."""
    local, at, domain = address.rpartition("@")
    read = ".".join(_read_label(label) for label in domain.lower().split("."))
    return {"".join(_folded(form).split()) for form in (address, f"{local}{at}{read}")}


def _mail_stands_in(address: str, text: str) -> bool:
    return any(form in "".join(text.split()) for form in _mail_forms(address))


def _own_stands_in(address: str, text: str) -> bool:
    """Whether a text contains the person's address on a channel of its own, without the prefix of `own_key`."""
    channel, _, own = address.partition(":")
    is_own = channel.isidentifier() and not own.startswith("//") and len(own) >= FEWEST_LETTERS
    return is_own and _stands_in(_folded(own), text)


def _read_label(label: str) -> str:
    if not label.startswith(_IN_ASCII):
        return label
    try:
        return label.removeprefix(_IN_ASCII).encode().decode("punycode")
    except UnicodeError:
        return label


def _folded(text: str) -> str:
    """The text for comparison: normalised letters (Unicode, TR15), ASCII digits, single blanks.

    Invisible characters (zero width, direction marks, soft hyphens) are dropped.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace(_IDEOGRAPHIC_DOT, ".")
        text = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def _stands_in(word: str, text: str) -> bool:
    """Whether it occurs as a whole word; in scripts without blanks between words, anywhere."""
    if not word or word not in text:
        return False
    runs_on = any(ord(c) >= _WITHOUT_BLANKS for c in word)
    return runs_on or re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _words(name: str) -> list[str]:
    """A name, and each of its words, as templates may use one of them alone."""
    return [w for w in {name, *name.split()} if len(w) > 1 or w == name]


def addresses_of(person: Person | Assignee) -> frozenset[str]:
    """The keys of a person's current and former addresses; push tokens and webhooks as they are."""
    found = {address_key(a) for a in (person.phone, person.whatsapp, person.email, *person.former) if a}
    found |= {*person.push_tokens, *own_keys(person.addresses)}
    if isinstance(person, Person) and person.webhook:
        found.add(person.webhook)
    return frozenset(found)


def traces_of(order: Order, sent: Sequence[SentTo], addresses: Iterable[str]) -> Traces:
    """The traces in the order of everybody who has, or had, one of these addresses."""
    addresses_found = {address_key(a) for a in addresses} | set(addresses)
    names: set[str] = set()
    slots: set[tuple[str, str, int]] = set()
    people = [p for group in order.recipients.values() for p in group]
    everybody: list[Person | Assignee] = [*people, *([order.assignee] if order.assignee else [])]
    before = -1
    while before != len(addresses_found) + len(slots):
        before = len(addresses_found) + len(slots)
        for person in everybody:
            if not addresses_found.isdisjoint(addresses_of(person)):
                addresses_found |= addresses_of(person)
                names.add(person.name)
        for t in sent:
            slot = (t.notice, t.audience, t.person)
            if slot in slots or not addresses_found.isdisjoint({t.address, address_key(t.address)} - {""}):
                slots.add(slot)
                names.add(t.name)
                addresses_found |= {t.address, address_key(t.address)}
    return Traces(frozenset(addresses_found - {""}), frozenset(names - {""}))


def slots_of(sent: Sequence[SentTo], traces: Traces) -> frozenset[tuple[str, str, int]]:
    """The person's places (audience and index) in notices."""
    theirs = [t for t in sent if not traces.addresses.isdisjoint({t.address, address_key(t.address)})]
    return frozenset((t.notice, t.audience, t.person) for t in theirs)


def erase(draft: Draft, cause: ErasePerson) -> None:
    """Remove these people from the order, with free text and undeclared attributes."""
    order = draft.order
    traces = Traces(cause.addresses, cause.names)

    def goes(person: Person | Assignee) -> bool:
        return cause.everybody or not addresses_of(person).isdisjoint(cause.addresses)

    ladders.forget(draft, goes, cause.names, everybody=cause.everybody)
    recipients = {a: tuple(p for p in people if not goes(p)) for a, people in order.recipients.items()}
    assignee = order.assignee
    if assignee is not None and goes(assignee):
        assignee = Assignee(role=assignee.role, id=assignee.id)
    draft.set(
        recipients=recipients,
        assignee=assignee,
        previous_assignee="",
        note=None,
        attributes=_impersonal(draft.workflow, order.attributes, traces),
        payment=structs.replace(order.payment, reference=None) if order.payment else None,
        escalations={
            k: structs.replace(e, detail="", by="", comment="", commented_by="") for k, e in order.escalations.items()
        },
        links=order.links + 1,
        told_values={},
        conversation=_without_writer(order, cause),
        lists={} if cause.everybody else order.lists,
    )
    draft.log("person_erased", draft.now)


def _without_writer(order: Order, cause: ErasePerson) -> ConversationState | None:
    """The conversation without its writer, if that is the person; counts stay, and nothing is unanswered any more."""
    talk = order.conversation
    if talk is None or not (cause.everybody or {talk.address, address_key(talk.address)} & cause.addresses):
        return talk
    return ConversationState(counted=talk.counted, received=talk.received)


def _impersonal(workflow: Workflow, attributes: Mapping[str, Any], traces: Traces) -> JsonObject:
    """The attributes that may stay: numbers, dates, and what clocks and measures use, if not personal."""
    needed = {path for condition in conditions_of(workflow) for path in paths(condition)}
    needed |= {measure.path for measure in workflow.measures.values()}
    personal = {name for name, a in workflow.attributes.items() if a.personal}
    kept = {}
    for name, value in attributes.items():
        if name in personal or traces.named_in(value):
            continue
        if f"attributes.{name}" in needed or (_is_plain(value) and not _may_be_number_to_dial(value)):
            kept[name] = value
    return kept


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return isinstance(value, (bool, int, float))


def _may_be_number_to_dial(value: Any) -> bool:
    """Whether a number is as long as a phone number; as it may be the person's, it is removed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or int(value) != value:
        return False
    return FEWEST_DIGITS <= len(str(abs(int(value)))) <= MOST_DIGITS

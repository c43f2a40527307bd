"""Causes in recorded form, so that the past can be replayed: all that `decide` uses, without one-time codes.

An event is kept in its inbox row, the results of a message in its history, every other cause in a row of its own.
Each has the length of the order's timeline before it: that puts the causes of an order in sequence, whatever the
clocks of the deciding processes said, and shows where one is missing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, Struct, structs

from service.domain.address_keys import address_key
from service.domain.causes import (
    AnswerCustomer,
    Cause,
    ClockDue,
    EventReceived,
    GreetRows,
    HandleEscalation,
    MoveReply,
    OptOutChanged,
    PartChanged,
    PreferencesChanged,
    ReplyReceived,
    ReportIssue,
    ResendMessages,
    RevokeLinks,
    SendNotice,
)
from service.domain.channels import SPELLED, own_keys
from service.domain.draft import Decision
from service.domain.erasure import addresses_of
from service.domain.events import DATA_TYPES, AssigneeGiven, Event, EventData, EventWarning, PersonGiven, Secret
from service.domain.order import Order
from service.domain.people import as_list
from service.domain.persons import Assignee, Person, Wishes

# The placeholder of a code, whose value is not kept.
MASKED: Final = "••••••"
# Causes with rows of their own, by the name under which they are stored: never renamed.
KINDS: Final[Mapping[str, type[Cause]]] = {
    "clock_due": ClockDue,
    "notice_sent": SendNotice,
    "issue_reported": ReportIssue,
    "escalation_handled": HandleEscalation,
    "messages_resent": ResendMessages,
    "links_revoked": RevokeLinks,
    "opt_out_changed": OptOutChanged,
    "preferences_changed": PreferencesChanged,
    "reply_received": ReplyReceived,
    "customer_answered": AnswerCustomer,
    "reply_moved": MoveReply,
    "rows_greeted": GreetRows,
    "part_changed": PartChanged,
}
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_encoder: Final = msgspec.json.Encoder()
_data_decoders: Final = {name: msgspec.json.Decoder(kind) for name, kind in DATA_TYPES.items()}


class RecordedEvent(Struct, frozen=True, omit_defaults=True):
    """An event as it was decided `at` that moment (UTC). `codes`: the expiry of each secret that it carried."""

    at: datetime
    id: str
    type: str
    time: datetime
    data: msgspec.Raw
    codes: Mapping[str, datetime | None] = {}
    warnings: tuple[EventWarning, ...] = ()
    wishes: Mapping[str, Wishes] = {}
    whole_told: frozenset[str] = frozenset()


_event_decoder: Final = msgspec.json.Decoder(RecordedEvent)


def kind_of(cause: Cause) -> str:
    """The name under which a cause has a row of its own; empty for one without."""
    return _NAMES.get(type(cause), "")


def encoded_cause(cause: Cause) -> bytes:
    """A cause of `KINDS`, encoded to be sealed."""
    return _encoder.encode(cause)


def decoded_cause(kind: str, plain: bytes) -> Cause:
    """The cause that was stored under this name; raises msgspec.DecodeError, KeyError."""
    return msgspec.json.decode(plain, type=KINDS[kind])


def encoded_event(cause: EventReceived, decision: Decision) -> bytes:
    """An event, encoded to be sealed: without its codes' values, and without people that the order did not take."""
    event, data = cause.event, cause.event.data
    codes = {name: secret.expires for name, secret in data.secrets.items()}
    if codes:
        data = structs.replace(data, secrets={})
    at = min(event.time, cause.at)
    if decision.outcome == "late" or any(
        getattr(data, part) is not UNSET and decision.order.data_times.get(part) != at
        for part in ("recipients", "assignee")
    ):
        data = _as_known(data, decision.order)
    raw = msgspec.Raw(_encoder.encode(data))
    kept = RecordedEvent(
        cause.at, event.id, event.type, event.time, raw, codes, event.warnings, cause.wishes, cause.whole_told
    )
    return _encoder.encode(kept)


def decoded_event(plain: bytes, reference: str) -> EventReceived:
    """The event of the order `reference`, its codes masked; raises msgspec.DecodeError, KeyError."""
    kept = _event_decoder.decode(plain)
    data: EventData = _data_decoders[kept.type].decode(kept.data)
    if kept.codes:
        codes = {name: Secret(MASKED, expires) for name, expires in kept.codes.items()}
        data = structs.replace(data, secrets=codes)
    event = Event(kept.id, "", kept.type, reference, kept.time, data, warnings=kept.warnings)
    return EventReceived(kept.at, event, kept.wishes, kept.whole_told)


def _as_known(data: EventData, order: Order) -> EventData:
    """A late event may name people in a form that the order has replaced: keep only what the order knows of them.

    Erasure finds a person by what the order ever knew of them. That people were named is kept: decisions depend on it.
    """
    people: list[Person | Assignee] = [p for group in order.recipients.values() for p in group]
    people += [order.assignee] if order.assignee else []
    known = frozenset[str]().union(*(addresses_of(p) for p in people))
    if data.assignee is not UNSET and data.assignee is not None and not places_given(data.assignee) <= known:
        now = order.assignee
        data = structs.replace(data, assignee=AssigneeGiven(now.role, now.id) if now else None)
    if data.recipients is UNSET:
        return data
    kept: dict[str, PersonGiven | tuple[PersonGiven, ...] | None] = {}
    for audience, given in data.recipients.items():
        theirs = tuple(p for one in as_list(given) if (p := _known_of(one, known)) is not None)
        if given is None or isinstance(given, tuple):
            kept[audience] = None if given is None else theirs
        elif theirs:
            kept[audience] = theirs[0]
    return structs.replace(data, recipients=kept)


def _known_of(person: PersonGiven, known: frozenset[str]) -> PersonGiven | None:
    """The fields of this person that the order has, too; None for somebody of whom it knows no address."""
    if places_given(person) <= known:
        return person
    left = structs.replace(person, **{f: UNSET for f in _ADDRESSES if not _places_in(person, f) <= known})
    return left if places_given(left) else None


# The fields of a person that hold addresses.
_ADDRESSES: Final = ("phone", "whatsapp", "email", "push_tokens", "webhook", "addresses")


def places_given(person: PersonGiven | AssigneeGiven) -> frozenset[str]:
    """The keys of the addresses that an event gives of a person, in the form of `addresses_of`."""
    return frozenset[str]().union(*(_places_in(person, field) for field in _ADDRESSES))


def _places_in(person: PersonGiven | AssigneeGiven, field: str) -> frozenset[str]:
    """The keys of the addresses in one field of a person."""
    value = getattr(person, field, None)
    if not value:
        return frozenset()
    if isinstance(value, Mapping):
        return frozenset(own_keys(value))
    spelled = field in SPELLED
    return frozenset(address_key(v) if spelled else v for v in ((value,) if isinstance(value, str) else value))

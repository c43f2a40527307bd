"""Messages of all orders: filtered by channel, state, notice, cause, time and person, the newest first."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Select, and_, or_, select

from service.domain.address_keys import address_key
from service.domain.causes import NoticeThen
from service.domain.errors import Rejection
from service.domain.scopes import Scope
from service.ledger.columns import literal_in
from service.ledger.database.cursors import FAR, FIRST, read_cursor, write_cursor
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import IN_TROUBLE, messages, notices
from service.ledger.orders.person_digests import person_digests
from service.ledger.orders.read_models import MessageOfOrder
from service.ledger.orders.records import UNREADABLE
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import order_people, orders
from service.ledger.orders.views import message_view
from service.lists.tabular import plain

CSV_COLUMNS: Final = (
    "created", "sent", "workflow", "order_id", "notice", "channel", "audience", "name", "address", "locale", "state",
    "cause", "why", "attempts", "provider", "provider_id",
)  # fmt: skip


class WantedMessages(Struct, frozen=True):
    """Filters; empty ones do not filter. `recipient`: all spellings of one address.

    `causes`: the provider's codes, or our own words.
    `since`, `until`: when they were planned (UTC); the first inclusive, the second not.
    """

    ids: tuple[UUID, ...] = ()
    channels: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    workflow: str = ""
    recipient: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    cursor: str = ""
    limit: int = 50


async def listed_messages(tx: Transaction, wanted: WantedMessages, *, scope: Scope) -> tuple[list[MessageOfOrder], str]:
    """A page and the cursor of the next one, empty at the end; raises Rejection for a cursor that is not ours."""
    query = _selected(messages).where(*_conditions(tx, wanted, scope)).limit(wanted.limit + 1)
    if wanted.cursor:
        created, last = _read_cursor(wanted.cursor)
        older = messages.c.created_at < created
        query = query.where(or_(older, and_(messages.c.created_at == created, messages.c.id < last)))
    rows = (await tx.execute(query)).all()
    page = rows[: wanted.limit]
    cursor = write_cursor([page[-1].created_at, page[-1].id.hex]) if len(rows) > wanted.limit else ""
    return [m for row in page if (m := _shown(tx, row)) is not None and _is_theirs(m, wanted)], cursor


class ListedMessage(Struct, frozen=True):
    """A message that a filter finds, with its notice as it was planned."""

    id: UUID
    order_id: UUID
    notice: NoticeThen


async def found_messages(tx: Transaction, wanted: WantedMessages, *, scope: Scope) -> list[ListedMessage]:
    """All that the filter finds, up to its limit, the newest first."""
    query = _selected(messages, notices.c.stage_rank, notices.c.supersedable)
    query = query.join(notices, notices.c.id == messages.c.notice_id).where(*_conditions(tx, wanted, scope))
    found = []
    for row in await tx.execute(query.limit(wanted.limit)):
        shown = _shown(tx, row) if wanted.recipient else None
        if shown is None or _is_theirs(shown, wanted):
            found.append(
                ListedMessage(row.id, row.order_id, NoticeThen(row.notice_id, row.stage_rank, row.supersedable))
            )
    return found


def _selected(*more: Any) -> Select[Any]:
    """Messages with their orders, the newest first."""
    query = select(*more, orders.c.order_id.label("order_name"), orders.c.workflow)
    query = query.join(orders, orders.c.id == messages.c.order_id)
    return query.order_by(messages.c.created_at.desc(), messages.c.id.desc())


def _conditions(tx: Transaction, wanted: WantedMessages, scope: Scope) -> list[ColumnElement[bool]]:
    found = of_order(tx, scope, orders.c.id, orders.c.workflow)
    for values, column in (
        (wanted.ids, messages.c.id),
        (wanted.channels, messages.c.channel),
        (wanted.states, messages.c.state),
        (wanted.notices, messages.c.notice),
        (wanted.causes, messages.c.error_code),
    ):
        if values:
            found.append(column.in_(values))
    if wanted.states and set(wanted.states) <= set(IN_TROUBLE):
        # In the words of the index over the few that are.
        found.append(literal_in(messages.c.state, *IN_TROUBLE))
    if wanted.workflow:
        found.append(orders.c.workflow == wanted.workflow)
    if wanted.since is not None:
        found.append(messages.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(messages.c.created_at < wanted.until)
    if wanted.recipient:
        digests = person_digests(tx.keyring, wanted.recipient)
        theirs = select(order_people.c.order_id).where(order_people.c.digest.in_(digests))
        found.append(messages.c.order_id.in_(theirs))
    return found


def _is_theirs(m: MessageOfOrder, wanted: WantedMessages) -> bool:
    """Whether the message is to one of the wanted people, as an order has others, too."""
    return not wanted.recipient or address_key(m.address) in {address_key(form) for form in wanted.recipient}


def _shown(tx: Transaction, row: Any) -> MessageOfOrder | None:
    """The message with its order; None where it cannot be unsealed."""
    try:
        view = message_view(tx.keyring, row)
    except UNREADABLE:
        return None
    return MessageOfOrder(**structs.asdict(view), order_id=row.order_name, workflow=row.workflow)


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        created, last = read_cursor(cursor, tuple[datetime, str])
        if created.tzinfo is None or not FIRST <= created <= FAR:
            raise ValueError(created)
        return created, UUID(last)
    except ValueError:
        raise Rejection("cursor: is not from a page of messages; leave it out to start again") from None


def as_table(found: Sequence[MessageOfOrder]) -> str:
    """The list as CSV for spreadsheets; what would be a formula is made harmless."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for m in found:
        values = (m.created, m.sent, m.workflow, m.order_id, m.notice, m.channel, m.audience, m.name, m.address,
                  m.locale, m.state, m.error_code, m.error, m.attempts, m.provider, m.provider_id)  # fmt: skip
        writer.writerow([plain(v) for v in values])
    return out.getvalue()

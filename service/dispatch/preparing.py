"""Checks and renders messages before they are sent, whether claimed or begun by the straight way."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from service.channels.medium import Rendered
from service.channels.port import ReplyWindow
from service.channels.registry import medium_of, spec_of
from service.dispatch import guards
from service.dispatch.compose import Composed, Composer
from service.dispatch.guards import CapReservations, SendLimits
from service.dispatch.holds import HoldCache
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Ended
from service.dispatch.template_states import TemplateStates
from service.dispatch.windows import OUTSIDE, WHY_CLOSED, is_closed, windows_of
from service.domain.errors import Rejection
from service.domain.notices import before_sending, rests_until
from service.domain.rungs import SKIPPED
from service.ledger.database.transaction import Transaction
from service.ledger.messages.claims import ClaimedMessage
from service.orders import Orders
from service.pacing import breathe
from service.workflows.templates import UNRENDERABLE

log = structlog.get_logger(__name__)


class Ready(Struct, frozen=True):
    """A message that may be sent: its text as shown, the composed message (None with a secret), its paid parts."""

    shown: Rendered
    composed: Composed | None
    parts: int
    window: ReplyWindow | None


class Resting(Struct, frozen=True):
    """The message waits for the end of quiet hours (UTC)."""

    until: datetime


def over(places: CapReservations, c: ClaimedMessage) -> Ended:
    """The end of a message over a cap."""
    return Ended("suppressed", f"over {places.over[c.message.id]}", "cap")


def unrendered(c: ClaimedMessage, error: Exception) -> Ended:
    """The end of a message that cannot be rendered."""
    log.error("message.render_failed", message_id=str(c.message.id), error=type(error).__name__)
    return Ended("failed", f"its template does not render: {type(error).__name__}", "template")


def _outside(c: ClaimedMessage) -> Ended:
    """The end of a message outside of the reply window; on a ladder, the next rung goes."""
    return Ended("suppressed", WHY_CLOSED, SKIPPED) if c.message.rung else Ended("failed", WHY_CLOSED, OUTSIDE)


def _ttl_s(c: ClaimedMessage, now: datetime) -> int:
    return max(1, int((c.message.valid_until - now).total_seconds()))


class Prepared(Struct, frozen=True):
    """Claimed messages: those to be sent, those to be ended unsent, and those that wait until a moment (UTC)."""

    ready: list[tuple[ClaimedMessage, Composed]]
    ended: list[tuple[ClaimedMessage, Ended]]
    resting: list[tuple[ClaimedMessage, datetime]]


class Preparer:
    """Checks and renders the messages of one channel."""

    def __init__(
        self,
        orders: Orders,
        composer: Composer,
        limits: SendLimits,
        holds: HoldCache,
        route: ChannelRoute,
        templates: TemplateStates,
    ) -> None:
        self._orders = orders
        self._composer = composer
        self._limits = limits
        self._holds = holds
        self._templates = templates
        self._route = route
        self._medium = medium_of(route.channel)
        self._is_dialled = spec_of(route.channel).is_dialled

    @property
    def is_counted(self) -> bool:
        """Whether caps may turn a message away."""
        return self._is_dialled and self._limits.are_counted

    async def windows(
        self, tx: Transaction, claimed: Sequence[ClaimedMessage], now: datetime
    ) -> dict[UUID, ReplyWindow]:
        """In which windows these go out, where the channel has any."""
        return await windows_of(tx, self._route.channel, claimed, self._route.providers, self._orders.packs, now)

    async def reserve(
        self, tx: Transaction, ready: Sequence[tuple[ClaimedMessage, Composed]], now: datetime
    ) -> CapReservations:
        """Their places under the caps, for the length of the send."""
        if not self._is_dialled:
            return CapReservations()
        return await guards.reserve(tx, [c for c, _ in ready], self._limits, now)

    async def prepare(
        self, claimed: Sequence[ClaimedMessage], now: datetime, windows: Mapping[UUID, ReplyWindow]
    ) -> Prepared:
        """Check and render messages: those to be sent, those to be ended with the reasons, and those in quiet hours."""
        ready: list[tuple[ClaimedMessage, Composed]] = []
        ended: list[tuple[ClaimedMessage, Ended]] = []
        resting: list[tuple[ClaimedMessage, datetime]] = []
        for c in claimed:
            await breathe()
            unfit = self._unfit(c)
            if isinstance(unfit, Resting):
                resting.append((c, unfit.until))
                continue
            if unfit:
                ended.append((c, unfit))
                continue
            try:
                composed = self.compose(c, now, windows.get(c.message.id))
            except (Rejection, *UNRENDERABLE) as error:
                ended.append((c, unrendered(c, error)))
                continue
            if is_closed(composed.outgoing, self._route.providers, self._templates):
                ended.append((c, _outside(c)))
            else:
                ready.append((c, composed))
        return Prepared(ready, ended, resting)

    def _unfit(self, c: ClaimedMessage) -> Ended | Resting | None:
        n, now = c.message, self._orders.time.now()
        pack = self._orders.packs.find(c.workflow, c.version)
        if pack is None or n.notice not in pack.workflow.notices:
            return Ended("failed", "its workflow or notice is not installed any more", "pack")
        stale = before_sending(
            n,
            now,
            planned=c.planned,
            supersedable=c.supersedable,
            passed_by=c.passed_by,
            grace=pack.workflow.grace,
            opted_out=c.opted_out,
            called_off=c.called_off,
        )
        if stale:
            return Ended(*stale, SKIPPED if c.message.rung and stale[0] == "suppressed" else "")
        if hold := self._holds.on(n.channel, c.workflow, n.notice):
            return Ended("held", hold.in_words, "held")
        if ends := rests_until(n, now, pack.workflow.timezone):
            dropped = pack.workflow.notices[n.notice].quiet == "drop" or ends >= n.valid_until
            return Ended("suppressed", "quiet hours", SKIPPED if n.rung else "") if dropped else Resting(ends)
        if n.secret and c.secret is None:
            return Ended("expired", "its code has been erased")
        if spec_of(n.channel).is_dialled and (why := guards.refuse_address(n.address, self._limits)):
            return Ended("failed", why, "address")
        return None

    def ready(self, c: ClaimedMessage, now: datetime, window: ReplyWindow | None = None) -> Ready | None:
        """What it says, if it may be sent; None for what is to be claimed, and then ended with its reason."""
        if self._unfit(c):
            return None
        # The placeholder is as long as the secret, and may be shown.
        seen = replace(c, secret="0" * len(c.secret)) if c.secret else c
        try:
            composed = self.compose(seen, now, window)
        except Exception:
            # An error here must not affect the event that planned the message.
            return None
        if is_closed(composed.outgoing, self._route.providers, self._templates):
            return None
        parts = self._medium.paid_parts(composed.outgoing.rendered)
        return Ready(composed.shown, None if c.message.secret else composed, parts, window)

    def compose(self, c: ClaimedMessage, now: datetime, window: ReplyWindow | None = None) -> Composed:
        """Compose the message; raises Rejection or one of UNRENDERABLE."""
        return self._composer.compose(c, _ttl_s(c, now), window)

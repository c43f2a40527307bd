"""Resending messages that reached nobody, by the same channel or another, where that is still useful.

The same function decides what is left out, and why, for the dry run and for the act itself.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from service.domain.causes import ResendMessages
from service.domain.draft import Draft
from service.domain.messages import message_to
from service.domain.notice_rules import Notice
from service.domain.notices import FINAL_STATES, SENT_STATES, WAITING_STATES, Message
from service.domain.readers import on_channel
from service.domain.settling import ended_unsent

# The reasons for leaving a message out, by which answers and metrics count.
CODE: Final = "code"
MONEY: Final = "money"
SENT: Final = "already_sent"
MAY_HAVE_ARRIVED: Final = "may_have_arrived"
TOLD: Final = "already_told"
WAITS: Final = "still_waits"
ELSEWHERE: Final = "waits_elsewhere"
STALE: Final = "stale"
NO_WORDS: Final = "no_words"
NO_ADDRESS: Final = "no_address"
OPTED_OUT: Final = "opted_out"
UNWANTED: Final = "not_wanted"
PACK: Final = "not_in_pack"


def resend(draft: Draft, cause: ResendMessages) -> None:
    """Plan the messages that may be resent; the timeline says which, and why the others may not.

    A message that still waits is withdrawn where it now goes by another channel (`withdrawn`).
    """
    for n in cause.messages:
        why = _why_not(draft, n, cause)
        notice = draft.workflow.notices.get(n.notice)
        if not why and notice is not None:
            why = _plan(draft, notice, n, cause)
        if why:
            channel = cause.channel or n.channel
            draft.log("resend_skipped", notice=n.notice, channel=channel, audience=n.audience, why=why, by=cause.by)


def _why_not(draft: Draft, n: Message, cause: ResendMessages) -> str:
    notice = draft.workflow.notices.get(n.notice)
    if notice is None:
        return PACK
    if n.secret:
        return CODE
    if n.state in SENT_STATES:
        return SENT
    if n.state == "unknown":
        return MONEY if n.when_unknown == "never" else MAY_HAVE_ARRIVED
    if n.state not in FINAL_STATES and (n.state == "sending" or not cause.channel or cause.channel == n.channel):
        return WAITS
    if _is_stale(draft, n, cause):
        return STALE
    reader = (n.notice_id, n.audience, n.person)
    others = [m for m in (*cause.siblings, *draft.more_messages) if (m.notice_id, m.audience, m.person) == reader]
    if any(m.state in SENT_STATES for m in others):
        return TOLD
    on_its_way = [m for m in others if m.id != n.id and m.state not in FINAL_STATES]
    return ELSEWHERE if on_its_way else ""


def _is_stale(draft: Draft, n: Message, cause: ResendMessages) -> bool:
    """Whether the message's time is over, or the order has moved on to a later stage since."""
    planned = next((p for p in cause.notices if p.id == n.notice_id), None)
    passed = planned is not None and draft.workflow.stages[draft.order.stage].rank > planned.stage_rank
    return n.valid_until <= draft.now or (passed and planned is not None and planned.supersedable)


def _plan(draft: Draft, notice: Notice, n: Message, cause: ResendMessages) -> str:
    """Plan it; the reason where it is not planned, else empty."""
    channel = cause.channel or n.channel
    if channel not in draft.workflow.channels_of(notice):
        return NO_WORDS
    readers = on_channel(draft, notice, n, channel)
    if not readers:
        return NO_ADDRESS
    readers = [r for r in readers if r.address not in cause.opted_out]
    if not readers:
        return OPTED_OUT
    planned = [message_to(draft, notice, n.notice_id, r, n.valid_until) for r in readers]
    wanted = [m for m in planned if m.state != "suppressed"]
    if not wanted:
        return UNWANTED
    draft.more_messages += [replace(m, not_before=max(m.not_before, cause.not_before or m.not_before)) for m in wanted]
    draft.log("resend_planned", notice=n.notice, channel=channel, audience=n.audience, was=n.channel, by=cause.by)
    return ""


def withdrawn(messages: Sequence[Message], planned: Sequence[Message], by: str) -> list[Message]:
    """The waiting messages that the resent ones replace, as ended: nobody is told twice."""
    channels = {(m.notice_id, m.audience, m.person): m.channel for m in planned}
    found = []
    for n in messages:
        channel = channels.get((n.notice_id, n.audience, n.person), "")
        if channel and n.state in WAITING_STATES:
            found.append(ended_unsent(n, "superseded", f"told by {channel} instead, as {by} asked", "resent"))
    return found

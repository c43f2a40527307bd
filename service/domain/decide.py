"""`decide`: the effect of one cause on one order. Pure: no I/O, no clock, no randomness."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from service.domain import (
    asking,
    erasure,
    growing,
    issues,
    ladders,
    notifying,
    planning,
    readers,
    replying,
    resending,
    transitions,
    versions,
)
from service.domain import escalation as escalations
from service.domain.causes import (
    AnswerCustomer,
    Cause,
    ClockDue,
    ErasePerson,
    EventReceived,
    GreetRows,
    HandleEscalation,
    MessageSettled,
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
from service.domain.clocks import running
from service.domain.draft import Decision, Draft
from service.domain.errors import Rejection
from service.domain.notices import FINAL_STATES, NOT_SENT_ON_PURPOSE, TOLD_STATES
from service.domain.order import Order
from service.domain.planning import NoticeOptions
from service.domain.receiving import receive
from service.domain.wholes import receive_part
from service.domain.workflow import Workflow


def decide(order: Order | None, cause: Cause, workflow: Workflow, new_id: UUID) -> Decision:
    """The decision about `cause`. `new_id`: the order's id, if this is its first event. Raises Rejection."""
    if isinstance(cause, EventReceived):
        return receive(order, cause, workflow, new_id)
    if order is None:
        raise Rejection("no such order")
    if isinstance(cause, PartChanged):
        return receive_part(order, cause, workflow)
    draft = Draft(order, workflow, cause.at, cause.at)
    versions.move(draft)
    notifying.tick(draft, cause.at)
    _HANDLERS[type(cause)](draft, cause)
    # What became of a message is no activity: while a provider is away, every retry would be one.
    return draft.decision(is_activity=not isinstance(cause, MessageSettled))


def _settle_message(draft: Draft, cause: MessageSettled) -> None:
    n = cause.message
    if n.state in TOLD_STATES:
        running.notified(draft, n.notice_id, n.state)
        ladders.arrived(draft, n)
        return
    if n.state == "held":
        running.held_up(draft, n.notice_id, n.error)
        return
    if cause.drop_address:
        readers.drop_address(draft, n)
    if n.rung:
        ladders.fell(draft, n)
    elif n.state in ("failed", "undelivered"):
        planning.fall_back(draft, n, cause.siblings)
    untold = all(s.state in FINAL_STATES - TOLD_STATES for s in cause.siblings)
    if n.state in NOT_SENT_ON_PURPOSE and untold and not ladders.is_climbed(draft, n.notice_id):
        running.fell_away(draft, n.notice_id, n.error)
    replying.answer_did_not_arrive(draft, n, cause.siblings)


def _send_notice(draft: Draft, cause: SendNotice) -> None:
    manual = {n.name for n in draft.workflow.notices.values() if n.manual}
    transitions.require_known("manual notice", cause.reason, manual, "reason")
    notice = draft.workflow.notices[cause.reason]
    for channel in cause.channels:
        transitions.require_known("channel", channel, notice.channels, "channels")
    asking.require_offered(draft.workflow, notice, draft.order, draft.now)
    asked = asking.answers(notice, draft.order, cause.inputs, draft.workflow.timezone, draft.now)
    by = cause.by or "an agent"
    # All of its channels chosen means the notice as declared: by its ladder, where it has one.
    channels = () if notice.rungs and {*cause.channels} == {*notice.channels} else cause.channels
    options = NoticeOptions(channels=channels, by=by, asked=asked, wave=cause.wave)
    notifying.notify(draft, cause.reason, draft.now, options)


def _report_issue(draft: Draft, cause: ReportIssue) -> None:
    issues.report(draft, cause.reason, "reason", cause.detail, cause.by or "an agent")


def _handle_escalation(draft: Draft, cause: HandleEscalation) -> None:
    if cause.act == "reopen" and cause.settled is not None:
        escalations.reopen(draft, cause.settled, cause.by, cause.take_over_from, take_over=cause.take_over)
        return
    found = escalations.find(draft.order, cause.escalation_id)
    if cause.comment.strip() and cause.act in ("acknowledge", "assign", "snooze"):
        escalations.comment(draft, found, cause.comment, cause.by)
        found = escalations.find(draft.order, cause.escalation_id)
    if cause.act == "reopen":
        escalations.reopen(draft, found, cause.by, cause.take_over_from, take_over=cause.take_over)
    elif cause.act == "comment":
        escalations.comment(draft, found, cause.comment, cause.by)
    elif cause.act == "acknowledge":
        escalations.acknowledge(draft, found, cause.by)
    elif cause.act == "assign":
        escalations.assign(draft, found, cause.to, cause.by, cause.take_over_from, take_over=cause.take_over)
    elif cause.act == "resolve":
        escalations.resolve(draft, found, cause.by, cause.comment)
    elif cause.until is None:
        raise Rejection("until: a time is needed to snooze an escalation")
    else:
        escalations.snooze(draft, found, cause.until, cause.by)


def _revoke_links(draft: Draft, cause: RevokeLinks) -> None:
    draft.set(links=draft.order.links + 1)
    draft.log("links_revoked", by=cause.by)


def _only_what_is_due(_draft: Draft, _cause: ClockDue) -> None:
    """The handler of `ClockDue`: what is due is done before every cause, so there is nothing left to do."""


_HANDLERS: Final[Mapping[type[Cause], Callable[[Draft, Any], None]]] = {
    SendNotice: _send_notice,
    ReportIssue: _report_issue,
    HandleEscalation: _handle_escalation,
    ErasePerson: erasure.erase,
    ResendMessages: resending.resend,
    RevokeLinks: _revoke_links,
    ClockDue: _only_what_is_due,
    GreetRows: growing.greet,
    MessageSettled: _settle_message,
    OptOutChanged: readers.say_opt_out,
    PreferencesChanged: readers.keep_wishes,
    ReplyReceived: replying.receive_reply,
    AnswerCustomer: replying.answer_customer,
    MoveReply: replying.move_reply,
}

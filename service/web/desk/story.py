"""An order's history for people: a line per notice with its result, notes, and what happened, without internals."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from service.domain.notices import TOLD_STATES
from service.ledger.orders.read_models import MessageShown
from service.web.desk.causes import Cause, cause_of
from service.web.desk.titles import Titles, plain

_WAITING: Final = frozenset({"pending", "sending", "retrying", "held", "unknown"})
# Lines about what people did or experienced; the others are internal steps.
_PEOPLE: Final = frozenset({
    "status_changed", "note_added", "reassigned", "data_updated", "escalation_opened", "escalation_acknowledged",
    "escalation_assigned", "escalation_comment", "escalation_resolved", "escalation_reopened", "escalation_snoozed",
    "clock_breached", "opted_in", "opted_out", "reply_received", "customer_answered", "answer_failed", "reply_moved",
    "preferences_changed", "resend_planned", "links_revoked", "person_erased", "issue_reported", "warning",
    "part_changed", "derived_status_kept",
})  # fmt: skip


# Where events say how people are reached.
_OF_PEOPLE: Final = ("data.recipients", "data.assignee")


class ChannelState(Struct, frozen=True):
    """One channel of a notice: its state in a word, and the reason of a failure."""

    message: MessageShown
    cause: Cause | None


class ToldNotice(Struct, frozen=True):
    """A notice to one person, over all its channels. `verdict`: the result in a few words."""

    title: str
    name: str
    audience: str
    at: datetime
    channels: list[ChannelState]
    reached: bool
    verdict: str


class StoryNote(Struct, frozen=True):
    """A note. `public`: the customer may see it."""

    at: datetime
    text: str
    public: bool
    by: str
    files: tuple[Mapping[str, str], ...] = ()


class StoryLine(Struct, frozen=True):
    """A sentence of the story."""

    at: datetime
    text: str
    detail: str = ""


def told(titles: Titles, workflow: str, messages: Iterable[MessageShown]) -> list[ToldNotice]:
    """The notices that were told, the newest first; a repeated one is a line of its own."""
    groups: dict[tuple[str, str, str, str], list[MessageShown]] = {}
    for m in messages:
        # The messages of a notice are planned within a minute; later rungs of its ladder belong to them.
        whom = (m.notice, m.audience, m.name)
        wave = next((key for key in reversed(groups) if key[:3] == whom), None) if m.rung > 1 else None
        groups.setdefault(wave or (*whom, m.created.strftime("%Y%m%d%H%M")), []).append(m)
    lines = [_told(titles, workflow, group) for group in groups.values()]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def _told(titles: Titles, workflow: str, group: Sequence[MessageShown]) -> ToldNotice:
    first = group[0]
    reached = any(m.state in TOLD_STATES for m in group)
    waiting = any(m.state in _WAITING for m in group)
    if reached:
        verdict = "read" if any(m.state == "read" for m in group) else "told"
    elif waiting:
        verdict = "on its way"
    elif all(m.state in ("superseded", "suppressed") for m in group):
        verdict = "not sent"
    else:
        verdict = "reached nobody"
    states = [ChannelState(m, cause_of(m.channel, m.state, m.error_code, m.error)) for m in group]
    at = max(m.sent or m.created for m in group)
    return ToldNotice(titles.notice(workflow, first.notice), first.name, first.audience, at, states, reached, verdict)


def notes(timeline: Iterable[Mapping[str, Any]]) -> list[StoryNote]:
    """Those added by themselves, and those that came with a change; the newest first."""
    found = [
        StoryNote(
            t["at"],
            str(t.get("note") or ""),
            bool(t.get("public")),
            str(t.get("actor") or t.get("by") or ""),
            _files(t),
        )
        for t in timeline
        if t["kind"] == "note_added" or t.get("note")
    ]
    return list(reversed(found))


def _files(t: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    return tuple(t.get("attachments") or ())


def story(titles: Titles, workflow: str, timeline: Iterable[Mapping[str, Any]]) -> list[StoryLine]:
    """What people would tell of it, the newest first."""
    lines = [_line(titles, workflow, t) for t in timeline if t["kind"] in _PEOPLE and not _is_for_publishers(t)]
    return list(reversed(lines))


def _is_for_publishers(t: Mapping[str, Any]) -> bool:
    """A warning about how an event is written; one about somebody's address concerns whoever wants to reach them."""
    return t["kind"] == "warning" and not str(t.get("field", "")).startswith(_OF_PEOPLE)


def _line(titles: Titles, workflow: str, t: Mapping[str, Any]) -> StoryLine:
    kind, by = str(t["kind"]), str(t.get("by") or "")
    if kind == "status_changed":
        stage = titles.stage(workflow, str(t.get("stage", "")))
        derived = ", as its parts stand" if t.get("rule") else f", by {by}" if by else ""
        return StoryLine(t["at"], stage, titles.status(workflow, str(t.get("to", ""))) + derived)
    if kind == "data_updated":
        return StoryLine(t["at"], "Details updated", f"by {by}" if by else "")
    if kind == "warning":
        about = str(t.get("field", "")).removeprefix("data.").removeprefix("recipients.")
        return StoryLine(t["at"], f"Mistake in {about.replace('.', ' ').replace('_', ' ')}", str(t.get("why") or ""))
    if kind == "part_changed":
        of = str(t.get("workflow", workflow))
        return StoryLine(t["at"], f"Part {t.get('part', '')}: {titles.stage(of, str(t.get('stage', '')))}")
    if kind == "note_added":
        return StoryLine(t["at"], "Public note" if t.get("public") else "Internal note", str(t.get("note") or ""))
    if kind == "clock_breached":
        return StoryLine(t["at"], "Promise broken", titles.clock(workflow, str(t.get("clock", ""))))
    if kind.startswith("escalation_"):
        return _of_escalation(titles, workflow, kind.removeprefix("escalation_"), t, by)
    texts = (str(v) for k, v in t.items() if k not in ("at", "kind", "event", "message", "pack") and isinstance(v, str))
    return StoryLine(t["at"], plain(kind), ", ".join(v.replace("_", " ") for v in texts if v))


def _of_escalation(titles: Titles, workflow: str, step: str, t: Mapping[str, Any], by: str) -> StoryLine:
    reason = titles.reason(workflow, str(t.get("reason", "")))
    team = titles.team(str(t.get("team", "")), workflow)
    who = by or "Stagebell"
    words = {
        "opened": f"{team} called",
        "acknowledged": f"{who} took it",
        "assigned": f"{who} gave it to {t.get('to', '')}",
        "comment": f"{who}: {t.get('comment', '')}",
        "resolved": f"Settled by {by}" if by else "Settled by itself",
        "reopened": f"{who} opened it again",
        "snoozed": f"{who} put it off",
    }
    why = str(t.get("why") or t.get("detail") or "")
    return StoryLine(t["at"], words.get(step, plain(step)), f"{reason}: {why}" if why else reason)

"""Which notices an event calls for: by a status, a new assignee, a note, a changed value; and their conditions."""

from datetime import datetime
from typing import Any

from msgspec import UnsetType, to_builtins

from service.domain.conditions.judging import why_not
from service.domain.conditions.tree import Condition
from service.domain.draft import Draft
from service.domain.errors import Rejection
from service.domain.events import Data, Note
from service.domain.notice_rules import OnChange, OnNote
from service.domain.order import ASSIGNEE, Order, role_of
from service.domain.transitions import require_known
from service.domain.workflow import Status, Workflow


def entered(draft: Draft, status: Status) -> list[str]:
    """Notices for a status that was entered."""
    return [name for name in status.notices if name not in status.when or is_meant(draft, name, status.when[name])]


def reassigned(draft: Draft, before: Order) -> list[str]:
    """Notices for a changed assignee, while the order is open."""
    old, new = before.assignee, draft.order.assignee
    if old is None or new is None or (old.role, old.id) == (new.role, new.id):
        return []
    if draft.workflow.is_final(draft.order.status):
        return []
    draft.set(previous_assignee=old.name)
    draft.log("reassigned", role=new.role, was=old.name or old.id, to=new.name or new.id)
    return [n.name for n in draft.workflow.notices.values() if n.on_assignee_change == new.role]


def assigned(draft: Draft, before: Order | None) -> list[str]:
    """Notices for a new assignee, the first one or another one, while the order is open."""
    old, new = before.assignee if before else None, draft.order.assignee
    if new is None or (old is not None and (old.role, old.id) == (new.role, new.id)):
        return []
    if draft.workflow.is_final(draft.order.status):
        return []
    return [n.name for n in draft.workflow.notices.values() if n.on_assigned in (new.role, ASSIGNEE)]


def noted(draft: Draft, data: Data) -> list[str]:
    """Notices for a note."""
    note = data.note
    if note is None:
        return []
    role = role_of(draft.order, data)
    return [
        n.name
        for n in draft.workflow.notices.values()
        if n.on_note and _is_for(n.on_note, n.audiences, note, role, draft.order.status)
    ]


def require_side(workflow: Workflow, note: Note | None) -> None:
    """Raise a Rejection for a note to an audience that no notice of public notes has."""
    if note is None or not note.to:
        return
    if not note.public:
        raise Rejection("data.note.to: is only for a public note; an internal one reaches nobody")
    notices = (n for n in workflow.notices.values() if n.on_note and n.on_note.public)
    require_known("audience", note.to, {a for n in notices for a in n.audiences}, "data.note.to")


def _is_for(rule: OnNote, audiences: tuple[str, ...], note: Note, role: str, status: str) -> bool:
    if rule.public != note.public or (rule.statuses and status not in rule.statuses):
        return False
    if note.to:
        # The author has chosen the audience; the rule's roles apply only where none is named.
        return note.to in audiences
    return (not rule.by or role in rule.by) and role not in rule.not_by


def changed(draft: Draft, before: Order) -> list[str]:
    """Notices for new or changed values."""
    return [
        n.name for n in draft.workflow.told_of_changes if n.on_change and _has_changed(n.on_change, before, draft.order)
    ]


def _has_changed(rule: OnChange, before: Order, after: Order) -> bool:
    if rule.statuses and after.status not in rule.statuses:
        return False
    return any(_is_new(before.value(path), after.value(path)) for path in rule.paths)


def _is_new(old: Any, new: Any) -> bool:
    """Whether the value is new or changed; removing it or turning false does not count, falling to 0 does."""
    fell_to_nought = new == 0 and not isinstance(new, bool) and old is not None
    return bool(new != old and (new or fell_to_nought))


def is_meant(draft: Draft, name: str, when: Condition | None = None, at: datetime | None = None) -> bool:
    """Whether the notice's own condition holds, and `when`, that of the place that names the notice.

    Where it is not, the timeline says why.
    """
    own = draft.workflow.notices[name].when
    if when is None and own is None:
        return True
    situation = draft.situation(name)
    why = why_not(when, situation) or why_not(own, situation)
    if why:
        remember(draft, name, told=False)
        draft.log("notice_skipped", at, notice=name, why=why)
    return not why


def remember(draft: Draft, name: str, *, told: bool) -> None:
    """Store the notice's watched values: those that it tells now, else those of before the event."""
    known = draft.order.told_values.get(name, {})
    source = draft.order if told else draft.before
    if source is None or isinstance(source, UnsetType):
        return
    new = {
        path: to_builtins(value)
        for path in draft.workflow.notices[name].watched
        if (told or path not in known) and (value := source.value(path)) is not None
    }
    if new:
        draft.set(told_values={**draft.order.told_values, name: {**known, **new}})


def without_replaced(draft: Draft, names: list[str]) -> list[str]:
    """The notices without repetitions, without those whose condition fails, and without those that another replaces."""
    notices = draft.workflow.notices
    meant = [n for n in dict.fromkeys(names) if is_meant(draft, n)]
    replaced = {old for name in meant for old in notices[name].replaces}
    return [name for name in meant if name not in replaced]

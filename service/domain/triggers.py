"""Which notices something tells that is no new status: another assignee, a note, a changed value."""

from typing import Any

from service.domain.draft import Draft
from service.domain.events import Data
from service.domain.order import ASSIGNEE, Order, role_of
from service.domain.workflow import OnChange, OnNote


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
    """Notices for somebody who got the order, while it is open: nobody had it before, or somebody else."""
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
        if n.on_note and _is_for(n.on_note, note.public, role, draft.order.status)
    ]


def _is_for(rule: OnNote, public: bool, role: str, status: str) -> bool:
    if rule.public != public or (rule.statuses and status not in rule.statuses):
        return False
    return (not rule.by or role in rule.by) and role not in rule.not_by


def changed(draft: Draft, before: Order) -> list[str]:
    """Notices for values that are new or other than before."""
    return [
        n.name
        for n in draft.workflow.notices.values()
        if n.on_change and _has_changed(n.on_change, before, draft.order)
    ]


def _has_changed(rule: OnChange, before: Order, after: Order) -> bool:
    if rule.statuses and after.status not in rule.statuses:
        return False
    return any(_is_new(before.value(path), after.value(path)) for path in rule.paths)


def _is_new(old: Any, new: Any) -> bool:
    return bool(new) and new != old


def without_replaced(draft: Draft, names: list[str]) -> list[str]:
    """Each notice that the order calls for once, without those that another one of them stands in for."""
    notices = draft.workflow.notices
    meant = [n for n in dict.fromkeys(names) if (when := notices[n].when) is None or draft.order.matches(when)]
    replaced = {old for name in meant for old in notices[name].replaces}
    return [name for name in meant if name not in replaced]

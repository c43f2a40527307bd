"""The audiences that packs name, and the check of a new key's role and scope against them. Pure."""

from collections.abc import Iterable
from typing import Final

from service.domain.errors import Rejection
from service.domain.order import ASSIGNEE
from service.domain.scopes import Scope
from service.domain.transitions import require_known
from service.domain.workflow import Workflow

PUBLISHER: Final = "publisher"


def audiences_of(workflow: Workflow) -> frozenset[str]:
    """The audiences of a pack: those it notifies, whose contacts it shows, and who handle its orders or act on them."""
    notified = {a for n in workflow.notices.values() for a in n.audiences}
    handle = {role for n in workflow.notices.values() for role in (n.on_assigned, n.on_assignee_change) if role}
    assigned = {role for act in workflow.acts.values() if act.name == "assign" for role in act.to}
    known = {*notified, *handle, *assigned, *workflow.contacts, *workflow.parties, *workflow.audience_fallback.values()}
    return frozenset(known - {ASSIGNEE})


def check_fits(role: str, scope: Scope, workflows: Iterable[Workflow], staff: Iterable[str]) -> None:
    """Raise Rejection for an unknown role, and for a scope that does not fit the role.

    `staff`: the company's own roles; all others are audiences of packs.
    """
    packs, staff = list(workflows), list(staff)
    audiences = {a for w in packs for a in audiences_of(w)} - set(staff)
    require_known("role", role, [*staff, *audiences], "role")
    for name in sorted(scope.workflows):
        require_known("workflow", name, [w.name for w in packs], "scope")
    for name in sorted(scope.teams):
        require_known("team", name, {team for w in packs for team in w.teams}, "scope")
    for party in sorted(scope.parties):
        require_known("audience", party.audience, audiences, "scope")
    if role == PUBLISHER and not scope.is_of_workflows:
        raise Rejection("scope: a publisher can be limited to workflows only, as workflow:NAME")
    if role not in staff:
        others = sorted({p.audience for p in scope.parties} - {role})
        if not scope.ids_of(role) or others or scope.teams:
            raise Rejection(
                f"scope: whoever has the role {role!r} sees the orders of somebody in that audience alone: "
                f"say whose, as {role}:ID"
            )

"""Issues reported by people or publishers: each escalates to the team of its reason."""

from service.domain import escalation as escalations
from service.domain.draft import Draft
from service.domain.transitions import require_known


def report(draft: Draft, reason: str, where: str, detail: str, by: str) -> None:
    """Escalate for this reason; raises Rejection for an unknown one, naming the field `where`."""
    require_known("reason", reason, draft.workflow.reasons, where)
    escalations.open_or_join(draft, reason, draft.at, detail=detail, by=by)

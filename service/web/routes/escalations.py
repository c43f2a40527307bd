"""Routes of escalations."""

from service.web import escalations, stream
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.route import Route
from service.web.schemas.escalations import Assignment, BulkOrder, BulkResults, EscalationPage, Handled, Remark, Snooze

ESCALATIONS = (
    Route(
        "GET", "/v1/escalations", escalations.list_escalations, "supervisor", answer=EscalationPage,
        query=q.EscalationsQuery, reach="orders", audit=AuditedAct("escalations.listed"),
    ),
    Route(
        "GET", "/v1/escalations/stream", stream.stream_escalations, "supervisor", media="text/event-stream",
        streams=True, query=q.StreamQuery, reach="orders", audit=AuditedAct("escalations.streamed", before=True),
    ),
    Route(
        "POST", "/v1/escalations/{id}/acknowledge", escalations.acknowledge_escalation, "supervisor", Remark,
        Handled, reach="orders", audit=AuditedAct("escalation.acknowledge"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/assign", escalations.assign_escalation, "supervisor", Assignment,
        Handled, reach="orders", audit=AuditedAct("escalation.assign"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/reopen", escalations.reopen_escalation, "supervisor", Remark,
        Handled, reach="orders", audit=AuditedAct("escalation.reopen"),
    ),
    Route(
        "POST", "/v1/escalations/bulk", escalations.handle_many, "supervisor", BulkOrder,
        BulkResults, reach="orders", audit=AuditedAct("escalations.handled"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/resolve", escalations.resolve_escalation, "supervisor", Remark,
        Handled, reach="orders", audit=AuditedAct("escalation.resolve"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/snooze", escalations.snooze_escalation, "supervisor", Snooze,
        Handled, reach="orders", audit=AuditedAct("escalation.snooze"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/comment", escalations.comment_on_escalation, "supervisor", Remark,
        Handled, reach="orders", audit=AuditedAct("escalation.comment"),
    ),
)  # fmt: skip

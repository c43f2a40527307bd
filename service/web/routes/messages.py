"""Routes of messages, of notices to many orders, and of holds."""

from service.web import broadcasts, holds, messages
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.route import Answer, Route
from service.web.schemas.messages import (
    HoldRequest,
    Holds,
    HoldShown,
    MessagePage,
    ResendAnswer,
    ResendOne,
    ResendOrder,
)
from service.web.schemas.notices import BroadcastAnswer, BroadcastOrder

MESSAGES = (
    Route(
        "GET", "/v1/messages", messages.list_messages, "agent", answer=MessagePage, query=q.MessagesQuery,
        also={200: Answer("a table of all", str, "text/csv")}, reach="orders", audit=AuditedAct("messages.listed"),
    ),
    Route(
        "POST", "/v1/messages/resend", messages.resend_messages, "supervisor", ResendOrder,
        ResendAnswer, reach="orders", audit=AuditedAct("messages.resent"),
    ),
    Route(
        "POST", "/v1/messages/{id}/resend", messages.resend_message, "agent", ResendOne,
        ResendAnswer, reach="orders", audit=AuditedAct("message.resent"),
    ),
    Route(
        "POST", "/v1/broadcasts", broadcasts.tell_all, "supervisor", BroadcastOrder, BroadcastAnswer,
        reach="orders", audit=AuditedAct("broadcast.sent"),
    ),
    Route(
        "GET", "/v1/holds", holds.list_holds, "supervisor", answer=Holds, reach="workflows",
        audit=AuditedAct("holds.listed"),
    ),
    Route(
        "POST", "/v1/holds", holds.put_hold, "supervisor", HoldRequest, HoldShown, 201,
        reach="workflows", audit=AuditedAct("hold.put"),
    ),
    Route(
        "DELETE", "/v1/holds/{id}", holds.end_hold, "supervisor", status=204, reach="workflows",
        audit=AuditedAct("hold.released"),
    ),
)  # fmt: skip

"""Routes of messages, of notices to many orders, and of holds."""

from service.web import broadcasts, holds, messages
from service.web import query_types as q
from service.web.audited import Act
from service.web.route import Answer, Route
from service.web.schemas.messages import HoldLine, HoldOrder, Holds, MessagePage, ResendAnswer, ResendOne, ResendOrder
from service.web.schemas.notices import BroadcastAnswer, BroadcastOrder

MESSAGES = (
    Route(
        "GET", "/v1/messages", messages.list_messages, "agent", answer=MessagePage, query=q.MessagesQuery,
        also={200: Answer("a table of all", str, "text/csv")}, reach="orders", audit=Act("messages.listed"),
    ),
    Route(
        "POST", "/v1/messages/resend", messages.resend_messages, "supervisor", ResendOrder,
        ResendAnswer, reach="orders", audit=Act("messages.resent"),
    ),
    Route(
        "POST", "/v1/messages/{id}/resend", messages.resend_message, "agent", ResendOne,
        ResendAnswer, reach="orders", audit=Act("message.resent"),
    ),
    Route(
        "POST", "/v1/broadcasts", broadcasts.tell_all, "supervisor", BroadcastOrder, BroadcastAnswer,
        reach="orders", audit=Act("broadcast.sent"),
    ),
    Route(
        "GET", "/v1/holds", holds.list_holds, "supervisor", answer=Holds, reach="workflows",
        audit=Act("holds.listed"),
    ),
    Route(
        "POST", "/v1/holds", holds.put_hold, "supervisor", HoldOrder, HoldLine, 201,
        reach="workflows", audit=Act("hold.put"),
    ),
    Route(
        "DELETE", "/v1/holds/{id}", holds.end_hold, "supervisor", status=204, reach="workflows",
        audit=Act("hold.released"),
    ),
)  # fmt: skip

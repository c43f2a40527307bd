"""Routes of the desk's pages of messages and conversations."""

from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.desk import conversations as talks
from service.web.desk import messages, telling, tools
from service.web.desk import orders as order_pages
from service.web.page_query_types import TellAllQuery
from service.web.route import Route
from service.web.routes.reasons import FORM

DESK_MESSAGES = (
    Route(
        "POST",
        "/desk/messages/{id}/resend",
        order_pages.tell_again_and_show,
        "agent",
        page=True,
        reach="orders",
        audit=AuditedAct("message.resent"),
    ),
    Route(
        "GET",
        "/desk/conversations",
        talks.conversations,
        "agent",
        page=True,
        query=q.TrayQuery,
        reach="orders",
        audit=AuditedAct("conversations.listed"),
    ),
    Route(
        "GET",
        "/desk/conversations/rows",
        talks.tray_rows,
        "agent",
        page=True,
        query=q.TrayQuery,
        reach="orders",
        audit=AuditedAct("conversations.listed", renews=True),
    ),
    Route(
        "POST",
        "/desk/conversations/{id}/move",
        talks.post_move,
        "agent",
        page=True,
        reach="orders",
        audit=AuditedAct("reply.moved"),
    ),
    Route(
        "GET",
        "/desk/messages",
        messages.messages,
        "agent",
        page=True,
        query=q.MessagesQuery,
        reach="orders",
        audit=AuditedAct("messages.listed", renews=True),
    ),
    Route(
        "POST",
        "/desk/messages/resend",
        messages.tell_many_again,
        "supervisor",
        page=True,
        query=q.MessagesQuery,
        reach="orders",
        audit=AuditedAct("messages.resent"),
    ),
    Route(
        "POST",
        "/desk/holds",
        messages.put_hold,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("hold.put"),
    ),
    Route(
        "POST",
        "/desk/holds/{id}/release",
        messages.end_hold,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("hold.released"),
    ),
    Route("GET", "/desk/messages/{id}", tools.mail, "agent", page=True, reach="orders", audit=AuditedAct("mail.seen")),
    Route(
        "GET",
        "/desk/tell-all",
        telling.form,
        "supervisor",
        page=True,
        query=TellAllQuery,
        reach="orders",
        audit=FORM,
    ),
    Route(
        "POST",
        "/desk/tell-all",
        telling.tell_all,
        "supervisor",
        page=True,
        reach="orders",
        audit=AuditedAct("broadcast.counted"),
    ),
)

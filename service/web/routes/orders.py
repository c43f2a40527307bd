"""Routes of events, orders and conversations."""

from service.attachments.kinds import MOST_BYTES
from service.web import acts, attachments, conversations, events, order_search, orders
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.events import MAX_BATCH_BYTES
from service.web.route import Answer, Route
from service.web.routes.reasons import TIMELINE
from service.web.schemas.acts import ActAnswer, ActOrder
from service.web.schemas.conversations import Conversation, CustomerAnswer, ReplyMove, Tray
from service.web.schemas.escalations import Escalated
from service.web.schemas.events import EventResults
from service.web.schemas.notices import NoticeAnswer, NoticeOrder
from service.web.schemas.orders import IssueReport, LinkAnswer, OrderDocument, OrderPage

ORDERS = (
    Route(
        "POST", "/v1/events", events.post_events, "publisher", body=dict, answer=EventResults,
        also={207: Answer("some events were rejected", EventResults)}, reach="workflows", audit=TIMELINE,
        most_bytes=MAX_BATCH_BYTES,
    ),
    Route(
        "GET", "/v1/orders", order_search.list_orders, "agent", answer=OrderPage,
        also={200: Answer("a table of all", str, "text/csv")}, query=q.OrdersQuery, reach="parties",
        audit=AuditedAct("orders.listed"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}", orders.get_order, "agent", answer=OrderDocument,
        reach="parties", audit=AuditedAct("order.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/notices", orders.post_notice, "agent", NoticeOrder,
        NoticeAnswer, 201, also={200: Answer("a preview: nothing was sent", NoticeAnswer)},
        reach="orders", audit=AuditedAct("notice.sent"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/acts", acts.post_act, "agent", ActOrder, ActAnswer,
        also={201: Answer("the order was made", ActAnswer)}, reach="parties", audit=AuditedAct("order.acted"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/attachments", attachments.post_attachment, "agent",
        answer=attachments.AttachmentAnswer, status=201, query=q.FileQuery, reach="parties",
        audit=AuditedAct("attachment.added"), most_bytes=MOST_BYTES, takes_files=True,
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/attachments/{id}", attachments.get_attachment, "agent",
        media="*/*", reach="parties", audit=AuditedAct("attachment.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/issues", orders.post_issue, "agent", IssueReport,
        Escalated, 201, reach="orders", audit=AuditedAct("issue.reported"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/conversation", conversations.get_conversation, "agent",
        answer=Conversation, reach="orders", audit=AuditedAct("conversation.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/conversation", conversations.post_answer, "agent", CustomerAnswer,
        Conversation, 201, also={200: Answer("nothing was sent: others see who answers", Conversation)},
        reach="orders", audit=AuditedAct("notice.sent"),
    ),
    Route(
        "GET", "/v1/conversations", conversations.list_waiting, "agent", answer=Tray, query=q.TrayQuery,
        reach="orders", audit=AuditedAct("conversations.listed"),
    ),
    Route(
        "POST", "/v1/conversations/{id}/move", conversations.move_reply, "agent", ReplyMove, Conversation,
        reach="orders", audit=AuditedAct("reply.moved"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/link", orders.get_link, "agent", answer=LinkAnswer,
        reach="orders", audit=AuditedAct("link.made"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/link/revoke", orders.revoke_links, "supervisor",
        answer=LinkAnswer, reach="orders", audit=AuditedAct("links.revoked"),
    ),
)  # fmt: skip

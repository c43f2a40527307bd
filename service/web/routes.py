"""Every route in one table: the application, who may do what, and the OpenAPI document are made from it.

Here what programs call; `page_routes` has what people and browsers open, and `route` says what a line holds.
"""

from service.attachments.kinds import MOST_BYTES
from service.erasing import Erasure
from service.foresight.backtesting import BackTest
from service.ledger.orders.read_models import LifecycleMetrics, PerformanceMetrics
from service.ledger.people.person_data import PersonData
from service.lists.exporting import MEDIA
from service.lists.files import MOST_FILE_BYTES
from service.web import (
    acts,
    attachments,
    audit,
    broadcasts,
    conversations,
    costs,
    dead,
    escalations,
    events,
    holds,
    lifecycle,
    list_schemas,
    lists,
    messages,
    ops,
    orders,
    people,
    performance,
    schemas,
    stream,
    subscriptions,
    suppressions,
    tracking,
    word_drafts,
    word_schemas,
    words,
)
from service.web import query_types as q
from service.web.audited import Act, Unaudited
from service.web.conversation_schemas import Conversation, CustomerAnswer, ReplyMove, Tray
from service.web.events import MAX_BATCH_BYTES
from service.web.page_routes import LINK, NUMBERS, OWN, PAGES, TIMELINE
from service.web.route import Answer, Open, Route

__all__ = ["API", "OPERATIONS", "PAGES"]

_PROBE = Unaudited("shows whether the service works, and nothing of orders or people")
_FOR_MACHINES = Open("probes and collectors hold no key; it shows nothing of orders or people")

OPERATIONS = (
    Route("GET", "/healthz", ops.healthz, _FOR_MACHINES, audit=_PROBE),
    Route(
        "GET",
        "/readyz",
        ops.readyz,
        _FOR_MACHINES,
        also={503: Answer("a part is not ready: it is named")},
        audit=_PROBE,
    ),
    Route("GET", "/metrics", ops.metrics, _FOR_MACHINES, media="text/plain", audit=NUMBERS),
)
API = (
    Route(
        "POST", "/v1/events", events.post_events, "publisher", body=dict, answer=schemas.EventResults,
        also={207: Answer("some events were rejected", schemas.EventResults)}, reach="workflows", audit=TIMELINE,
        most_bytes=MAX_BATCH_BYTES,
    ),
    Route(
        "GET", "/v1/orders", orders.list_orders, "agent", answer=schemas.OrderPage,
        also={200: Answer("a table of all", str, "text/csv")}, query=q.OrdersQuery, reach="parties",
        audit=Act("orders.listed"),
    ),
    Route(
        "GET", "/v1/audit", audit.list_audit_lines, "admin", answer=schemas.AuditPage, query=q.AuditQuery,
        audit=Act("audit.read"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}", orders.get_order, "agent", answer=schemas.OrderDocument,
        reach="parties", audit=Act("order.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/notices", orders.post_notice, "agent", schemas.NoticeOrder,
        schemas.NoticeAnswer, 201, also={200: Answer("a preview: nothing was sent", schemas.NoticeAnswer)},
        reach="orders", audit=Act("notice.sent"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/acts", acts.post_act, "agent", schemas.ActOrder, schemas.ActAnswer,
        also={201: Answer("the order was made", schemas.ActAnswer)}, reach="parties", audit=Act("order.acted"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/attachments", attachments.post_attachment, "agent",
        answer=attachments.AttachmentAnswer, status=201, query=q.FileQuery, reach="parties",
        audit=Act("attachment.added"), most_bytes=MOST_BYTES, takes_files=True,
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/attachments/{id}", attachments.get_attachment, "agent",
        media="*/*", reach="parties", audit=Act("attachment.seen"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/lists/{list}", lists.get_rows, "agent", answer=list_schemas.ListPage,
        query=q.RowsQuery, forms=tuple(Answer("all rows", str, media) for media in MEDIA.values()),
        reach="parties", audit=Act("rows.listed"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}", lists.post_rows, "agent", list_schemas.RowsOrder,
        list_schemas.RowsTaken, 201, q.AddRowsQuery, reach="parties", audit=Act("rows.added"),
        most_bytes=MOST_FILE_BYTES,
        also={
            200: Answer("what would be added, and what is wrong: nothing was taken", list_schemas.RowsChecked),
            202: Answer("they are being added", list_schemas.RowsTaken),
        },
        bodies=("text/csv", "text/tab-separated-values"), takes_files=True,
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}/exports", lists.mail_rows, "supervisor",
        list_schemas.RowsMail, list_schemas.RowsMailed, 202, reach="orders", audit=Act("rows.mailed"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/lists/{list}/imports/{id}", lists.get_import, "agent",
        answer=list_schemas.RowsTaken, reach="parties", audit=Act("rows.import_seen", renews=True),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}/rows/{id}", lists.change_row, "agent",
        list_schemas.RowChange, list_schemas.RowChanged, reach="parties", audit=Act("row.changed"),
    ),
    Route(
        "DELETE", "/v1/orders/{workflow}/{order_id}/lists/{list}/rows/{id}", lists.remove_row, "agent", status=204,
        reach="parties", audit=Act("row.removed"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/issues", orders.post_issue, "agent", schemas.IssueReport,
        schemas.Escalated, 201, reach="orders", audit=Act("issue.reported"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/conversation", conversations.get_conversation, "agent",
        answer=Conversation, reach="orders", audit=Act("conversation.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/conversation", conversations.post_answer, "agent", CustomerAnswer,
        Conversation, 201, also={200: Answer("nothing was sent: others see who answers", Conversation)},
        reach="orders", audit=Act("notice.sent"),
    ),
    Route(
        "GET", "/v1/conversations", conversations.list_waiting, "agent", answer=Tray, query=q.TrayQuery,
        reach="orders", audit=Act("conversations.listed"),
    ),
    Route(
        "POST", "/v1/conversations/{id}/move", conversations.move_reply, "agent", ReplyMove, Conversation,
        reach="orders", audit=Act("reply.moved"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/link", orders.get_link, "agent", answer=schemas.LinkAnswer,
        reach="orders", audit=Act("link.made"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/link/revoke", orders.revoke_links, "supervisor",
        answer=schemas.LinkAnswer, reach="orders", audit=Act("links.revoked"),
    ),
    Route(
        "GET", "/v1/messages", messages.list_messages, "agent", answer=schemas.MessagePage, query=q.MessagesQuery,
        also={200: Answer("a table of all", str, "text/csv")}, reach="orders", audit=Act("messages.listed"),
    ),
    Route(
        "POST", "/v1/messages/resend", messages.resend_messages, "supervisor", schemas.ResendOrder,
        schemas.ResendAnswer, reach="orders", audit=Act("messages.resent"),
    ),
    Route(
        "POST", "/v1/messages/{id}/resend", messages.resend_message, "agent", schemas.ResendOne,
        schemas.ResendAnswer, reach="orders", audit=Act("message.resent"),
    ),
    Route(
        "POST", "/v1/broadcasts", broadcasts.tell_all, "supervisor", schemas.BroadcastOrder, schemas.BroadcastAnswer,
        reach="orders", audit=Act("broadcast.sent"),
    ),
    Route(
        "GET", "/v1/holds", holds.list_holds, "supervisor", answer=schemas.Holds, reach="workflows",
        audit=Act("holds.listed"),
    ),
    Route(
        "POST", "/v1/holds", holds.put_hold, "supervisor", schemas.HoldOrder, schemas.HoldLine, 201,
        reach="workflows", audit=Act("hold.put"),
    ),
    Route(
        "DELETE", "/v1/holds/{id}", holds.end_hold, "supervisor", status=204, reach="workflows",
        audit=Act("hold.released"),
    ),
    Route(
        "GET", "/v1/words", words.list_words, "agent", answer=word_schemas.WordsList, query=q.WordsQuery,
        also={200: Answer("what was published over the folder, for Git", str, "text/x-diff")},
        reach="workflows", audit=Act("words.listed"),
    ),
    Route(
        "GET", "/v1/words/{workflow}/{notice}", words.get_words, "agent", answer=word_schemas.NoticeWords,
        query=q.NoticeWordsQuery, reach="workflows", audit=Act("words.seen"),
    ),
    Route(
        "POST", "/v1/words/{workflow}/{notice}", words.save_words, "supervisor", word_schemas.WordsOrder,
        word_schemas.NoticeWords, reach="workflows", audit=Act("words.drafted"),
    ),
    Route(
        "GET", "/v1/word-drafts", word_drafts.list_drafts, "agent", answer=word_schemas.DraftPage,
        query=q.DraftsQuery, reach="workflows", audit=Act("words.listed"),
    ),
    Route(
        "GET", "/v1/word-drafts/{id}", word_drafts.get_draft, "agent", answer=word_schemas.WordDraft,
        query=q.OneDraftQuery, also={200: Answer("a patch for Git", str, "text/x-diff")}, reach="workflows",
        audit=Act("words.seen"),
    ),
    Route(
        "GET", "/v1/word-drafts/{id}/backtest", word_drafts.backtest_draft, "supervisor", answer=BackTest,
        query=q.BackTestQuery, reach="workflows", audit=Act("foresight.seen"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/approve", word_drafts.approve_draft, "supervisor", word_schemas.DraftApproval,
        word_schemas.WordDraft, reach="workflows", audit=Act("words.approved"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/publish", word_drafts.publish_draft, "supervisor", word_schemas.DraftAct,
        word_schemas.WordDraft, reach="workflows", audit=Act("words.published"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/drop", word_drafts.drop_draft, "supervisor", word_schemas.DraftAct,
        word_schemas.WordDraft, reach="workflows", audit=Act("words.dropped"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/roll-back", word_drafts.roll_back_draft, "supervisor", word_schemas.RollBack,
        word_schemas.WordDraft, reach="workflows", audit=Act("words.rolled_back"),
    ),
    Route(
        "GET", "/v1/escalations", escalations.list_escalations, "supervisor", answer=schemas.EscalationPage,
        query=q.EscalationsQuery, reach="orders", audit=Act("escalations.listed"),
    ),
    Route(
        "GET", "/v1/escalations/stream", stream.stream_escalations, "supervisor", media="text/event-stream",
        streams=True, query=q.StreamQuery, reach="orders", audit=Act("escalations.streamed", before=True),
    ),
    Route(
        "POST", "/v1/escalations/{id}/acknowledge", escalations.acknowledge_escalation, "supervisor", schemas.Remark,
        schemas.Handled, reach="orders", audit=Act("escalation.acknowledge"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/assign", escalations.assign_escalation, "supervisor", schemas.Assignment,
        schemas.Handled, reach="orders", audit=Act("escalation.assign"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/reopen", escalations.reopen_escalation, "supervisor", schemas.Remark,
        schemas.Handled, reach="orders", audit=Act("escalation.reopen"),
    ),
    Route(
        "POST", "/v1/escalations/bulk", escalations.handle_many, "supervisor", schemas.BulkOrder,
        schemas.BulkResults, reach="orders", audit=Act("escalations.handled"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/resolve", escalations.resolve_escalation, "supervisor", schemas.Remark,
        schemas.Handled, reach="orders", audit=Act("escalation.resolve"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/snooze", escalations.snooze_escalation, "supervisor", schemas.Snooze,
        schemas.Handled, reach="orders", audit=Act("escalation.snooze"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/comment", escalations.comment_on_escalation, "supervisor", schemas.Remark,
        schemas.Handled, reach="orders", audit=Act("escalation.comment"),
    ),
    Route(
        "GET", "/v1/metrics/lifecycle", lifecycle.get_lifecycle, "supervisor", answer=LifecycleMetrics,
        query=q.LifecycleQuery, reach="orders", audit=NUMBERS,
    ),
    Route(
        "GET", "/v1/metrics/costs", costs.get_costs, "supervisor", answer=costs.CostsShown, query=q.CostsQuery,
        reach="orders", audit=NUMBERS,
    ),
    Route(
        "GET", "/v1/metrics/performance", performance.get_performance, "supervisor", answer=PerformanceMetrics,
        also={200: Answer("a table of those who handle orders", str, "text/csv")}, query=q.PerformanceQuery,
        reach="orders", audit=Act("performance.seen"),
    ),
    Route(
        "GET", "/v1/subscriptions", subscriptions.list_subscriptions, "supervisor", answer=schemas.Subscriptions,
        reach="workflows", audit=Act("subscriptions.listed"),
    ),
    Route(
        "POST", "/v1/subscriptions", subscriptions.add_subscription, "supervisor", schemas.SubscriptionOrder,
        schemas.SubscriptionLine, 201, also={202: Answer("sent once, now", schemas.Count)},
        reach="workflows", audit=Act("subscription.made"),
    ),
    Route(
        "DELETE", "/v1/subscriptions/{id}", subscriptions.end_subscription, "supervisor", status=204,
        reach="workflows", audit=Act("subscription.ended"),
    ),
    Route(
        "GET", "/v1/dead-letters", dead.list_dead_letters, "supervisor", answer=schemas.DeadLetterPage,
        query=q.LettersQuery, audit=Act("dead_letters.listed"),
    ),
    Route(
        "POST", "/v1/dead-letters/{number}/replay", dead.replay_dead_letter, "admin", answer=schemas.Count,
        query=q.LetterQuery, audit=Act("dead_letter.replay", before=True),
    ),
    Route(
        "DELETE", "/v1/dead-letters/{number}", dead.drop_dead_letter, "admin", answer=schemas.Count,
        query=q.LetterQuery, audit=Act("dead_letter.drop", before=True),
    ),
    Route(
        "GET", "/v1/suppressions", suppressions.list_suppressions, "agent", answer=schemas.Suppressions,
        query=q.SuppressionsQuery, reach="orders", audit=Act("suppressions.listed"),
    ),
    Route(
        "DELETE", "/v1/suppressions", suppressions.lift_suppression, "agent", answer=schemas.Count,
        query=q.SuppressionQuery, reach="orders", audit=Act("suppression.lifted"),
    ),
    Route(
        "GET", "/v1/people/{address}", people.get_person, "admin", answer=PersonData, query=q.OfCountry,
        audit=Act("person.seen"),
    ),
    Route(
        "GET", "/v1/people/{address}/orders", people.list_orders_of_person, "publisher", answer=schemas.PersonOrders,
        query=q.PersonOrdersQuery, reach="workflows", audit=Act("person.orders_listed"),
    ),
    Route(
        "DELETE", "/v1/people/{address}", people.forget_person, "admin", answer=Erasure, query=q.OfCountry,
        audit=Act("person.erasure_asked", before=True),
    ),
    Route(
        "GET", "/t/{token}.json", tracking.get_tracking_data, LINK, guesses="link", answer=schemas.Tracking,
        query=q.LanguageQuery, audit=OWN,
    ),
)  # fmt: skip

"""The routes of pages and of what else browsers, mail programs and providers open; part of the table in `routes`."""

from service.web import asyncapi, callbacks, preferences, tracking, tracking_replies, unsubscribe
from service.web import query_types as q
from service.web.audited import Act, Unaudited
from service.web.desk import audit as audit_page
from service.web.desk import board, board_acts, messages, notes, sign_in, tools
from service.web.desk import conversations as talks
from service.web.desk import foresight as foresight_page
from service.web.desk import orders as order_pages
from service.web.desk import performance as lifecycle_page
from service.web.oidc import begin_oidc, end_oidc
from service.web.route import Open, Route

NUMBERS = Unaudited("shows numbers, of nobody in particular")
OWN = Unaudited("a customer's own page of their own order, opened by mail programs and link previews too")
TIMELINE = Unaudited("reads nothing; what it changes stands in the order's timeline and the inbox of events")
SELF = Unaudited("shows whoever asks that they are signed in, and nothing of orders or people")
_PUBLIC = Unaudited("is public")

LINK = Open("whoever has the signed link")
_SIGNED = Open("Twilio signs what it sends")
_CONTRACT = Open("the contract is public")
_SIGN_IN = Open("nobody is signed in before they have signed in")

PAGES = (
    Route("GET", "/", board.go_to_desk, _SIGN_IN, audit=_PUBLIC),
    Route("GET", "/openapi.json", asyncapi.get_openapi, _CONTRACT, audit=_PUBLIC),
    Route("GET", "/desk/audit", audit_page.audit, "admin", page=True, query=q.AuditQuery, audit=Act("audit.read")),
    Route("POST", "/callbacks/twilio/status", callbacks.twilio_status, _SIGNED, lenient=True, audit=TIMELINE),
    Route("POST", "/callbacks/twilio/inbound", callbacks.twilio_inbound, _SIGNED, lenient=True, audit=TIMELINE),
    Route("GET", "/asyncapi.json", asyncapi.get_asyncapi, _CONTRACT, audit=_PUBLIC),
    Route("GET", "/schemas/{type}.json", asyncapi.get_schema, _CONTRACT, audit=_PUBLIC),
    Route("GET", "/t/{token}", tracking.get_tracking_page, LINK, guesses="link", lenient=True, audit=OWN),
    Route(
        "GET",
        "/t/{token}/replies/{reply}",
        tracking_replies.get_reply_page,
        LINK,
        guesses="link",
        lenient=True,
        audit=OWN,
    ),
    Route(
        "POST",
        "/t/{token}/replies/{reply}",
        tracking_replies.post_reply,
        LINK,
        guesses="link",
        lenient=True,
        audit=TIMELINE,
    ),
    Route("GET", "/t/{token}/preferences", preferences.get_preferences, LINK, guesses="link", lenient=True, audit=OWN),
    Route(
        "POST",
        "/t/{token}/preferences",
        preferences.post_preferences,
        LINK,
        guesses="link",
        lenient=True,
        audit=TIMELINE,
    ),
    Route("GET", "/u/{token}", unsubscribe.get_page, LINK, guesses="link", lenient=True, audit=OWN),
    Route("POST", "/u/{token}", unsubscribe.unsubscribe, LINK, guesses="link", lenient=True, audit=OWN),
    Route(
        "GET",
        "/desk",
        board.board,
        "supervisor",
        page=True,
        query=q.BoardQuery,
        audit=Act("escalations.listed", renews=True),
    ),
    Route(
        "GET",
        "/desk/board",
        board.board_rows,
        "supervisor",
        page=True,
        query=q.BoardQuery,
        audit=Act("escalations.listed", renews=True),
    ),
    Route(
        "GET",
        "/desk/board/soon",
        board.soon,
        "supervisor",
        page=True,
        query=q.BoardQuery,
        audit=Act("escalations.listed", renews=True),
    ),
    Route(
        "POST",
        "/desk/escalations",
        board_acts.act_on_many,
        "supervisor",
        page=True,
        query=q.BoardQuery,
        audit=Act("escalations.handled"),
    ),
    Route("GET", "/desk/handover", board_acts.show_handover, "supervisor", page=True, audit=Act("escalations.listed")),
    Route("POST", "/desk/handover", board_acts.hand_over, "supervisor", page=True, audit=Act("escalations.handled")),
    Route("GET", "/desk/call", order_pages.call, "agent", page=True, query=q.CallQuery, audit=Act("orders.searched")),
    Route(
        "GET", "/desk/orders", order_pages.orders, "agent", page=True, query=q.OrdersQuery, audit=Act("orders.listed")
    ),
    Route("GET", "/desk/orders/{workflow}/{order_id}", order_pages.order, "agent", page=True, audit=Act("order.seen")),
    Route(
        "GET",
        "/desk/orders/{workflow}/{order_id}/now",
        order_pages.order_now,
        "agent",
        page=True,
        audit=Act("order.seen", renews=True),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/notes",
        notes.add_note,
        "agent",
        page=True,
        audit=Act("note.added"),
    ),
    Route(
        "POST",
        "/desk/messages/{id}/resend",
        order_pages.tell_again_and_show,
        "agent",
        page=True,
        audit=Act("message.resent"),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/preview",
        order_pages.preview_notice,
        "agent",
        page=True,
        audit=Act("notice.previewed"),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/notices",
        order_pages.send_notice,
        "agent",
        page=True,
        audit=Act("notice.sent"),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/issues",
        order_pages.report_issue,
        "agent",
        page=True,
        audit=Act("issue.reported"),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/suppressions",
        order_pages.lift_suppression,
        "agent",
        page=True,
        audit=Act("suppression.lifted"),
    ),
    Route(
        "GET",
        "/desk/conversations",
        talks.conversations,
        "agent",
        page=True,
        query=q.TrayQuery,
        audit=Act("conversations.listed"),
    ),
    Route(
        "GET",
        "/desk/conversations/rows",
        talks.tray_rows,
        "agent",
        page=True,
        query=q.TrayQuery,
        audit=Act("conversations.listed", renews=True),
    ),
    Route("POST", "/desk/conversations/{id}/move", talks.post_move, "agent", page=True, audit=Act("reply.moved")),
    Route(
        "GET",
        "/desk/orders/{workflow}/{order_id}/conversation",
        talks.talk,
        "agent",
        page=True,
        audit=Act("conversation.seen", renews=True),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/conversation",
        talks.post_answer,
        "agent",
        page=True,
        audit=Act("notice.sent"),
    ),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/answering",
        talks.post_answering,
        "agent",
        page=True,
        audit=Act("conversation.answering"),
    ),
    Route(
        "GET",
        "/desk/messages",
        messages.messages,
        "agent",
        page=True,
        query=q.MessagesQuery,
        audit=Act("messages.listed", renews=True),
    ),
    Route(
        "POST",
        "/desk/messages/resend",
        messages.tell_many_again,
        "supervisor",
        page=True,
        query=q.MessagesQuery,
        audit=Act("messages.resent"),
    ),
    Route("POST", "/desk/holds", messages.put_hold, "supervisor", page=True, audit=Act("hold.put")),
    Route("POST", "/desk/holds/{id}/release", messages.end_hold, "supervisor", page=True, audit=Act("hold.released")),
    Route("GET", "/desk/messages/{id}", tools.mail, "agent", page=True, audit=Act("mail.seen")),
    Route("GET", "/desk/dead", tools.dead, "supervisor", page=True, audit=Act("dead_letters.listed")),
    Route(
        "POST",
        "/desk/dead/{number}/{act:replay|drop}",
        tools.act_on_dead,
        "admin",
        page=True,
        query=q.LetterQuery,
        audit=Act("dead_letter", before=True),
    ),
    Route("GET", "/desk/health", tools.health, "supervisor", page=True, audit=NUMBERS),
    Route(
        "GET",
        "/desk/performance",
        lifecycle_page.performance,
        "supervisor",
        page=True,
        query=q.PerformanceQuery,
        audit=NUMBERS,
    ),
    Route(
        "GET",
        "/desk/lifecycle",
        lifecycle_page.lifecycle,
        "supervisor",
        page=True,
        query=q.LifecycleQuery,
        audit=NUMBERS,
    ),
    Route(
        "GET",
        "/desk/foresight",
        foresight_page.foresight,
        "supervisor",
        page=True,
        query=q.ForesightQuery,
        audit=Act("foresight.seen"),
    ),
    Route("GET", "/desk/sign-in", sign_in.show_sign_in, _SIGN_IN, query=q.SignInQuery, audit=_PUBLIC),
    Route("POST", "/desk/sign-in", sign_in.sign_in, _SIGN_IN, guesses="sign-in", audit=Act("signed_in")),
    Route("GET", "/desk/signed-in", sign_in.show_signed_in, "agent", page=True, audit=SELF),
    Route("POST", "/desk/sign-out", sign_in.sign_out, _SIGN_IN, audit=Act("signed_out")),
    Route("GET", "/desk/sign-in/oidc", begin_oidc, _SIGN_IN, query=q.SignInQuery, audit=_PUBLIC),
    Route("GET", "/desk/sign-in/oidc/callback", end_oidc, _SIGN_IN, lenient=True, audit=Act("signed_in")),
)

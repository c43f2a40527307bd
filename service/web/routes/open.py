"""Routes that take no key: probes, the contract, providers' callbacks, and what a signed link opens."""

from service.web import (
    assignee_page,
    asyncapi,
    attachments,
    callbacks,
    ops,
    preferences,
    row_links,
    tracking,
    tracking_replies,
    unsubscribe,
)
from service.web import query_types as q
from service.web.route import Answer, Route
from service.web.routes.reasons import (
    CONTRACT,
    FOR_MACHINES,
    LINK,
    NUMBERS,
    OWN,
    PROBE,
    PUBLIC,
    SIGNED,
    THEIRS,
    TIMELINE,
)
from service.web.schemas.tracking import Tracking

PROBES = (
    Route("GET", "/healthz", ops.healthz, FOR_MACHINES, audit=PROBE),
    Route(
        "GET",
        "/readyz",
        ops.readyz,
        FOR_MACHINES,
        also={503: Answer("a part is not ready: it is named")},
        audit=PROBE,
    ),
    Route("GET", "/metrics", ops.metrics, FOR_MACHINES, media="text/plain", audit=NUMBERS),
)
LINKED_DATA = (
    Route(
        "GET", "/t/{token}.json", tracking.get_tracking_data, LINK, guesses="link", answer=Tracking,
        query=q.LanguageQuery, audit=OWN,
    ),
)  # fmt: skip
CONTRACT_AND_CALLBACKS = (
    Route("GET", "/openapi.json", asyncapi.get_openapi, CONTRACT, audit=PUBLIC),
    Route("POST", "/callbacks/twilio/status", callbacks.twilio_status, SIGNED, lenient=True, audit=TIMELINE),
    Route("POST", "/callbacks/twilio/inbound", callbacks.twilio_inbound, SIGNED, lenient=True, audit=TIMELINE),
    Route("GET", "/asyncapi.json", asyncapi.get_asyncapi, CONTRACT, audit=PUBLIC),
    Route("GET", "/schemas/{type}.json", asyncapi.get_schema, CONTRACT, audit=PUBLIC),
)
LINKED = (
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
    Route("GET", "/l/{token}", row_links.get_linked_rows, LINK, guesses="link", lenient=True, audit=OWN),
    Route("GET", "/f/{token}", attachments.get_linked_file, LINK, guesses="link", lenient=True, audit=OWN),
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
    Route("GET", "/a/{token}", assignee_page.get_assignee_page, LINK, guesses="link", lenient=True, audit=THEIRS),
    Route("POST", "/a/{token}/{act}", assignee_page.post_act, LINK, guesses="link", lenient=True, audit=TIMELINE),
    Route("GET", "/u/{token}", unsubscribe.get_page, LINK, guesses="link", lenient=True, audit=OWN),
    Route("POST", "/u/{token}", unsubscribe.unsubscribe, LINK, guesses="link", lenient=True, audit=OWN),
)

"""`POST /v1/events`: one event or a batch, decided before the answer."""

import msgspec
from aiohttp import web
from msgspec import structs

from service.domain.errors import Rejection
from service.domain.events import MAX_BODY_BYTES
from service.intake.cloudevents import BATCH, JSON, STRUCTURED, from_http, may_be_json, media_type_of
from service.intake.decoding import Incoming
from service.intake.verdicts import Verdict
from service.ledger.database.faults import is_outage
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.params import answer
from service.web.problems import Problem, problem_response
from service.web.schemas.events import EventResult, EventResults

MAX_BATCH = 1000
MAX_BATCH_BYTES = MAX_BODY_BYTES * 40


async def post_events(request: web.Request) -> web.StreamResponse:
    """Take events; the answer says of each: accepted, duplicate or rejected, with the reason and warnings."""
    scope = scope_of(request)
    messages = [structs.replace(m, scope=scope) for m in await _messages(request)]
    intake = request.app[CONTEXT].intake
    verdicts: list[Verdict] = []
    try:
        for start in range(0, len(messages), 100):
            verdicts += await intake.take(messages[start : start + 100], dead_letter=False)
    except Exception as error:
        if not is_outage(error):
            raise
        raise Problem(503, "Unavailable", "the database did not answer; send the same events again") from error
    results = [_result(v) for v in verdicts]
    rejected = sum(v.outcome == "rejected" for v in verdicts)
    if not rejected:
        return answer(EventResults(results))
    if rejected < len(verdicts):
        return answer(EventResults(results), 207)
    title = "Event rejected" if len(verdicts) == 1 else "All events rejected"
    return problem_response(422, title, verdicts[0].reason, results=results)


async def _messages(request: web.Request) -> list[Incoming]:
    body = (await request.read()).removeprefix(b"\xef\xbb\xbf")
    media_type = request.content_type
    is_binary = "ce-specversion" in request.headers and media_type not in (STRUCTURED, BATCH)
    headers = from_http(request.headers) if is_binary else {}
    if media_type == BATCH or (not is_binary and media_type in (JSON, STRUCTURED) and body.lstrip()[:1] == b"["):
        try:
            media_type_of(request.headers.get("Content-Type"))
        except Rejection as rejection:
            raise Problem(415, "Unsupported media type", rejection.reason) from None
        return _batch(body)
    traceparent = {"traceparent": request.headers["traceparent"]} if "traceparent" in request.headers else {}
    if media_type not in (JSON, STRUCTURED) and not (is_binary and may_be_json(media_type)):
        raise Problem(415, "Unsupported media type", f"send {STRUCTURED}, {BATCH} or {JSON}")
    return [Incoming(body, request.headers.get("Content-Type"), headers={**headers, **traceparent})]


def _batch(body: bytes) -> list[Incoming]:
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "Not readable", f"not a JSON array of events: {error}") from None
    if len(items) > MAX_BATCH:
        raise Problem(400, "Batch size", f"a batch has at most {MAX_BATCH} events, not {len(items)}")
    return [Incoming(bytes(item), STRUCTURED) for item in items]


def _result(verdict: Verdict) -> EventResult:
    event, outcome = verdict.event, verdict.outcome
    return EventResult(
        outcome="accepted" if outcome == "late" or outcome == "waiting" else outcome,  # noqa: PLR1714 - mypy narrows this
        warnings=event.warnings if event else (),
        id=event.id if event else "",
        source=event.source if event else "",
        order_id=event.reference if event else "",
        late=verdict.outcome == "late",
        reason=verdict.reason,
    )

"""The first middleware: it checks a request's head before a byte of its body is read.

Compressed bodies are refused: ten megabytes may inflate to ten gigabytes (RFC 9110, §15.5.16). The server itself
never inflates (`service/web/server.py`). A body has a time limit of its own, so that nobody holds a handler by
sending slowly.
"""

import asyncio
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.web.clients import warn_of_forwarded
from service.web.problems import Problem, problem_response

BODY_WITHIN_S: Final = 30.0
TOO_SLOW: Final = 408
TOO_LARGE: Final = 413
UNCOMPRESSED: Final = ("", "identity")
# Uploads: they may take longer, and a page's form sends them as multipart/form-data.
UPLOADS: Final = frozenset({
    "/v1/orders/{workflow}/{order_id}/lists/{list}",
    "/desk/orders/{workflow}/{order_id}/lists/{list}/upload",
    "/desk/orders/{workflow}/{order_id}/notes",
    "/v1/orders/{workflow}/{order_id}/attachments",
})  # fmt: skip
UPLOAD_WITHIN_S: Final = 300.0
# The body is ignored there, and mail programs send it as multipart/form-data (RFC 8058, §3.2).
BODY_UNREAD: Final = frozenset({"/u/{token}"})


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse compressed, oversized and unexpected bodies, and end those that take too long to arrive."""
    refused = _refusal(request)
    if refused is not None:
        refused.force_close()
        return refused
    warn_of_forwarded(request)
    if request.content.is_eof():
        return await handler(request)
    within = UPLOAD_WITHIN_S if _stands_in(request, UPLOADS) else BODY_WITHIN_S
    slow = asyncio.get_running_loop().call_later(within, _give_up, request, within)
    try:
        answer = await handler(request)
    finally:
        slow.cancel()
    if answer.status in (TOO_SLOW, TOO_LARGE):
        answer.force_close()
    return answer


def _refusal(request: web.Request) -> web.Response | None:
    if compressed(request):
        detail = "compressed bodies are not taken; send it as it is, without Content-Encoding"
        return problem_response(415, "Unsupported media type", detail)
    if request.content_type.startswith("multipart/") and not _stands_in(request, BODY_UNREAD | UPLOADS):
        detail = "multipart bodies are not taken; send a form as application/x-www-form-urlencoded"
        return problem_response(415, "Unsupported media type", detail)
    try:
        request.raw_path.encode()
    except UnicodeEncodeError:
        return problem_response(400, "Not readable", "the address holds bytes that are no UTF-8; percent-encode it")
    if "\x00" in request.query_string:
        return problem_response(400, "Not readable", "the query holds NUL")
    return None


def _stands_in(request: web.Request, paths: frozenset[str]) -> bool:
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in paths


def compressed(request: web.BaseRequest) -> bool:
    """Whether the head declares a compressed body, by either of the two headers that can."""
    content = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())).lower().split(",")
    transfer = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING, ())).lower().split(",")
    return any(c.strip() not in UNCOMPRESSED for c in content) or any(
        t.strip() not in (*UNCOMPRESSED, "chunked") for t in transfer
    )


def _give_up(request: web.Request, within_s: float) -> None:
    if not request.content.is_eof():
        detail = f"the body did not come within {within_s:.0f} s"
        request.content.set_exception(Problem(TOO_SLOW, "Too slow", detail))


async def expect(request: web.Request) -> None:
    """Answer `Expect: 100-continue`, unless the body will be refused anyway (RFC 9110, §10.1.1)."""
    expectation = request.headers.get(hdrs.EXPECT, "")
    if expectation.lower() != "100-continue":
        raise web.HTTPExpectationFailed(text=f"Expect: {expectation!r:.40} is not known")
    if not compressed(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0

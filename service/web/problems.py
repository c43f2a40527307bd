"""Errors as RFC 9457 problem details."""

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from service.domain.errors import NotNow, Rejection
from service.ledger.database.faults import LedgerError
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT
from service.orders import NoSuchOrder
from service.telemetry.logs import frames

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
# Seconds after which to retry when a part is unavailable: a restart or a switchover takes a few.
AGAIN_AFTER_S = "2"


class Problem(Exception):
    """An answer that says what was wrong, where, and what to do."""

    def __init__(
        self, status: int, title: str, detail: str = "", headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.members = members
        self.headers = headers or {}


def problem_response(
    status: int, title: str, detail: str = "", headers: dict[str, str] | None = None, **members: object
) -> web.Response:
    """The problem as a response; every 503 says when to ask again (RFC 9110, §15.6.4)."""
    if status == 503:
        headers = {"Retry-After": AGAIN_AFTER_S, **(headers or {})}
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return web.Response(
        status=status, body=msgspec.json.encode({**body, **members}), content_type=MEDIA_TYPE, headers=headers
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what handlers raise into problem details, without internal details."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem.status, problem.title, problem.detail, problem.headers, **problem.members)
    except NoSuchOrder:
        return problem_response(404, "No such order", "no order of this workflow has this id")
    except NotNow as rejection:
        return problem_response(409, "Not possible now", rejection.reason)
    except Rejection as rejection:
        return problem_response(422, "Not accepted", rejection.reason)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        if isinstance(error, web.HTTPRequestEntityTooLarge):
            return problem_response(413, "Too large", error.text or "")
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem_response(error.status, error.reason, headers=headers)
    except (LedgerError, OSError, TimeoutError) as error:
        log.warning("http.unavailable", path=request.match_info.route.name or "", error=type(error).__name__)
        return problem_response(503, "Unavailable", "the database did not answer; try again")
    except (web.RequestPayloadError, HttpProcessingError):
        return problem_response(400, "Not readable", "the body is not what its headers say that it is")
    except UNREADABLE as error:
        log.error("http.unreadable_row", method=request.method, where=frames(error), hint=UNREADABLE_HINT)
        return problem_response(500, "Not readable", f"what the ledger holds of this does not open: {UNREADABLE_HINT}")
    except Exception as error:
        # The place, not the message: an error's message may repeat the data that it failed on.
        log.error("http.failed", method=request.method, error=type(error).__name__, where=frames(error))
        return problem_response(500, "Internal error", "this is a fault of Stagebell; its log says more")

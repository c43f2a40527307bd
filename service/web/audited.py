"""What each route writes to the audit log. A route declares its act; one that declares none is logged by its path.

A read is logged before its answer is sent, and refused (503) when it cannot be. An act that changes an order is
logged with its change, in one transaction, or else before it is tried. Refused callers are logged, too: once in
ten minutes, so that a flood of refusals is no flood of lines.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web
from msgspec import Struct

from service.canonical import canonical_address
from service.domain.json_object import JsonObject
from service.ledger.access.api_keys import ACCOUNT, Caller
from service.ledger.auditing.lines import AuditLine
from service.web.clients import address_of, network_of
from service.web.context import CALLER, CONTEXT

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AuditedAct(Struct, frozen=True):
    """A read or an act. `before`: it is logged before it is tried. `renews`: it is a page that refreshes itself."""

    name: str
    before: bool = False
    renews: bool = False


class Unaudited(Struct, frozen=True):
    """Marks a route that writes no line, and says why."""

    why: str


Audit = AuditedAct | Unaudited
AUDIT: Final[web.RequestKey[Audit]] = web.RequestKey("audit", object)  # type: ignore[arg-type]
# What the routes declare; the ones below are told as something more exact, or leave their line without a route.
ACTS: Final[web.AppKey[frozenset[str]]] = web.AppKey("acts", frozenset)
OTHER_ACTS: Final = frozenset({
    "broadcast.counted", "words.tried", "messages.resend_counted", "rows.exported", "rows.checked",
    "answer.replayed", "messages.exported", "orders.exported", "orders.searched", "person.erased", "refused",
    "key.refused",
    "sign_in.failed", "audit.exported", "key.created", "key.revoked", "key.rotation_begun", "order.explained",
    "webhook_secret.shown", "gap.listed",
})  # fmt: skip
_NOTED: Final = web.RequestKey("audit_noted", JsonObject)
_IN_LINE: Final = web.RequestKey("audit_in_line", bool)


def name_of(caller: Caller) -> str:
    """The caller's name with its kind, so that an account and an API key of the same name differ."""
    if caller.key_id is None:
        return caller.name if caller.name.startswith(ACCOUNT) else f"demo:{caller.name}"
    return f"key:{caller.name}"


def noted(request: web.Request, act: str = "", people: Sequence[str] = (), **detail: object) -> None:
    """Say more exactly what the request does: another act, the people it asks for, details without personal data."""
    notes = request.setdefault(_NOTED, {"act": "", "people": (), "detail": {}})
    notes["act"] = act or notes["act"]
    notes["people"] = (*notes["people"], *people)
    notes["detail"] |= detail


def address_in(text: str, country: str | None = None) -> tuple[str, ...]:
    """The address that a search is for; empty when it searches for something else."""
    try:
        return (canonical_address(text, country),) if text else ()
    except ValueError:
        return (text,) if "@" in text else ()


def audit_line(request: web.Request, act: str, workflow: str = "", order_id: str = "", **detail: object) -> AuditLine:
    """An audit line about the caller's act, to be written in the transaction of its change."""
    request[_IN_LINE] = True
    return _line(request, act, workflow, order_id, detail)


def _line(request: web.Request, act: str, workflow: str, order_id: str, detail: JsonObject) -> AuditLine:
    caller = request[CALLER]
    notes = request.get(_NOTED, {"people": (), "detail": {}})
    return AuditLine(
        name_of(caller),
        caller.role,
        act,
        workflow,
        order_id,
        address_of(request),
        tuple(dict.fromkeys(notes["people"])),
        {**notes["detail"], **detail},
    )


async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, after the read or act has been logged."""
    await before(request)
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        if redirect.status < 400:
            await after(request)
        raise
    if response.status < 400:
        await after(request)
    return response


async def before(request: web.Request) -> None:
    """Log an act before it is tried."""
    act = request.get(AUDIT)
    if isinstance(act, AuditedAct) and act.before:
        await _record(request, act.name)


async def after(request: web.Request) -> None:
    """Log the read or act before the answer is sent, unless its own transaction has."""
    act = request.get(AUDIT)
    if request.get(_IN_LINE) or act is None or isinstance(act, Unaudited) or act.before:
        return
    notes = request.get(_NOTED, {"act": ""})
    if not act.renews:
        await _record(request, notes["act"] or act.name)
        return
    key = (name_of(request[CALLER]), address_of(request), act.name, request.path_qs)
    auditor = request.app[CONTEXT].auditor
    if not auditor.is_repeat(*key):
        await _record(request, notes["act"] or act.name)
        auditor.remember(*key)


async def _record(request: web.Request, act: str) -> None:
    path = request.match_info
    line = _line(request, act, path.get("workflow", ""), path.get("order_id", ""), _path_detail(request))
    await request.app[CONTEXT].auditor.record(line)


def _path_detail(request: web.Request) -> JsonObject:
    """The path's parts besides the order, such as a subscription's id or a dead letter's place."""
    named = {k: v for k, v in request.match_info.items() if k in ("id", "number", "act", "list")}
    return {k: v for k, v in named.items() if _PLAIN.fullmatch(v)}


async def record_refused(request: web.Request, why: str) -> None:
    """Log that an authenticated caller was refused; nothing of what they sent is kept."""
    caller, act, resource = request[CALLER], request.get(AUDIT), request.match_info.route.resource
    tried = act.name if isinstance(act, AuditedAct) else f"{request.method} {resource.canonical if resource else ''}"
    who = name_of(caller)
    line = AuditLine(who, caller.role, "refused", origin=address_of(request), detail={"tried": tried, "why": why})
    await request.app[CONTEXT].auditor.record_seldom(line, "refused", who, tried, why)


async def record_stranger(request: web.Request, act: str, subject: str = "", **detail: object) -> None:
    """Log an unauthenticated try, such as a sign-in with a wrong key; a bounded number of them."""
    auditor = request.app[CONTEXT].auditor
    left_out = auditor.admits_stranger()
    if left_out is None:
        return
    details = {**detail, "left_out_before": left_out} if left_out else detail
    line = AuditLine("nobody:", "", act, origin=address_of(request), detail=details, subject=subject)
    await auditor.record(line)


async def record_wrong_key(request: web.Request, revoked: str) -> None:
    """Log the use of an invalid key, once in a while per network. `revoked`: the name of a revoked key."""
    auditor, key = request.app[CONTEXT].auditor, ("key.refused", network_of(request), revoked)
    if auditor.is_repeat(*key):
        return
    auditor.remember(*key)
    subject, why = (f"key:{revoked}", "the key was revoked") if revoked else ("", "the key is not known")
    await record_stranger(request, "key.refused", subject, why=why)

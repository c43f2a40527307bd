"""`Idempotency-Key`: a POST that acts counts once, however often it is sent.

The key is kept for 24 hours per caller. The same key with the same request replays the answer, with
`Idempotent-Replayed: true`; with another request it is refused (422); while the first is under way it is a conflict
(409). What was refused, or ended in a fault of ours, frees the key for another try.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web

from service.ledger.access import idempotency
from service.ledger.access.idempotency import Claim, Earlier, KeptResponse
from service.ledger.database.engine import new_uuid
from service.web.audited import noted
from service.web.context import CALLER, CONTEXT
from service.web.params import form_of
from service.web.problems import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FORM_FIELD: Final = "form_id"
HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEPT: Final = timedelta(hours=24)
LONGEST_KEY: Final = 255
# Requests without a key of the client's wait for the first one, and get its answer.
PATIENCE_S: Final = 10.0
LOOK_EVERY_S: Final = 0.05
_KEPT_HEADERS: Final = (hdrs.CONTENT_TYPE, hdrs.LOCATION)


async def once_by_header(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run `handler` once for the request's `Idempotency-Key`; raises Problem."""
    key = key_of(request)
    if key is None:
        return await handler(request)
    return await once(request, f"header {key}", _parts_of(request, await request.read()), handler)


def key_of(request: web.Request) -> str | None:
    """The request's `Idempotency-Key`; raises Problem for an invalid one."""
    key = request.headers.get(HEADER)
    if key is None or request.method != hdrs.METH_POST:
        return None
    key = key.strip()
    if not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        detail = f"{HEADER}: 1 to {LONGEST_KEY} plain characters are expected, such as a UUID"
        raise Problem(400, "Not readable", detail)
    return key


async def once(
    request: web.Request,
    key: str,
    parts: list[str],
    handler: Handler,
    kept: timedelta = KEPT,
    *,
    patient: bool = False,
    lease: timedelta = idempotency.LEASE,
) -> web.StreamResponse:
    """Run `handler` once for this caller and key. `patient`: a second request waits for the first. Raises Problem.

    `lease`: how long it may take; after that its process is taken to have died.
    """
    orders = request.app[CONTEXT].orders
    act = idempotency.act_id(orders.keyring, request[CALLER].identity, key)
    digest = orders.keyring.digest("asked", *parts)
    looks = round(PATIENCE_S / LOOK_EVERY_S) if patient else 0
    while True:
        found = await _claim(request, Claim(act, new_uuid()), digest, kept, lease)
        if isinstance(found, Claim):
            return await _act(request, found, handler)
        if found.done or not found.same_request or not looks:
            return _again(request, found)
        looks -= 1
        await asyncio.sleep(LOOK_EVERY_S)


async def once_by_form(request: web.Request, handler: Handler, kept: timedelta = KEPT) -> web.StreamResponse:
    """Run `handler` once for a filled-in form, which a double click or a reload sends again; raises Problem."""
    # A form with files is identified by its id: each rendered page has one of its own.
    form_id = (await form_of(request, files=True)).get(FORM_FIELD, "")
    if not form_id or HEADER in request.headers:
        return await handler(request)
    parts = [form_id, *_parts_of(request, await request.read())]
    return await once(request, "\x00".join(["form", *parts]), parts, handler, kept, patient=True)


def _parts_of(request: web.Request, body: bytes) -> list[str]:
    return [request.method, request.path_qs, body.decode("latin-1")]


async def _claim(
    request: web.Request, wanted: Claim, digest: bytes, kept: timedelta, lease: timedelta
) -> Claim | Earlier:
    orders = request.app[CONTEXT].orders
    try:
        async with orders.ledger.transaction() as tx:
            return await idempotency.claim(tx, wanted, digest, orders.time.now(), kept, lease)
    except Exception:
        # The commit may have succeeded without an answer: nobody would use the claim.
        await _settle(request, wanted, None)
        raise


def _again(request: web.Request, found: Earlier) -> web.StreamResponse:
    if not found.same_request:
        raise Problem(422, "Not accepted", f"{HEADER}: was used before for another request; take a new one")
    if not found.done:
        retry = {"Retry-After": "1"}
        raise Problem(409, "Under way", "the same request is being worked on; ask again in a moment", retry)
    if found.answer is None:
        raise Problem(
            409,
            "Done before",
            "the request was carried out; its response is no longer stored, as it held data of an erased person",
        )
    noted(request, "answer.replayed")
    headers = {**found.answer.headers, REPLAYED: "true"}
    return web.Response(status=found.answer.status, body=found.answer.body, headers=headers)


async def _act(request: web.Request, held: Claim, handler: Handler) -> web.StreamResponse:
    """Run the handler and keep its answer; a refusal frees the key."""
    kept: KeptResponse | None = None
    try:
        response = await _answered(request, handler)
        if isinstance(response, web.Response) and response.status < 400 and isinstance(response.body, bytes | None):
            headers = {str(name): response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            kept = KeptResponse(response.status, response.body or b"", headers)
    finally:
        # Also when the caller hangs up: the answer is kept for the next try.
        await asyncio.shield(_settle(request, held, kept))
    return response


async def _settle(request: web.Request, held: Claim, kept: KeptResponse | None) -> None:
    orders = request.app[CONTEXT].orders
    async with orders.ledger.transaction() as tx:
        if kept is None:
            await idempotency.release(tx, held)
        else:
            await idempotency.finish(tx, held, kept)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRedirection as moved:
        return web.Response(status=moved.status, headers={hdrs.LOCATION: moved.headers[hdrs.LOCATION]})

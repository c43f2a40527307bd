"""The admin page: keys, people and their erasure, dead letters, holds, versions of packs, providers."""

from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import web

from service.broker.port import DEAD, BrokerLost
from service.domain.audiences import audiences_of, check_fits
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.scopes import read_scope, written
from service.intake.dead_letters import WINDOW
from service.ledger.access import api_keys, sessions
from service.ledger.auditing.lines import write_audit
from service.ledger.escalations import provider_health
from service.ledger.messages import holds
from service.web.audited import audit_line, noted
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.dead import dead_letters_of
from service.web.desk.page import render
from service.web.desk.tools import see_letters
from service.web.once import once_by_form
from service.web.page_values import PageValues
from service.web.params import form_of
from service.web.people import data_of_person, erase
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import OfCountry, PersonQuery

LONGEST_NAME: Final = 200
# For how long the same form shows the same key again; until then it is stored, sealed.
KEY_SHOWN: Final = timedelta(minutes=1)


async def admin(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    return await _page(request, {})


async def _page(request: web.Request, more: PageValues, status: int = 200) -> web.StreamResponse:
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        keys = await api_keys.listed(tx)
        refusals = await provider_health.refusing(tx)
        held = await holds.active(tx, scope=scope_of(request))
    try:
        letters: int | None = await context.broker.depth(DEAD)
    except BrokerLost:
        letters = None
    values = {
        "keys": [(k, written(k.scope)) for k in reversed(keys)],
        "roles": [*api_keys.ROLES, *sorted(_audiences(request))],
        "letters": letters,
        "refusals": refusals,
        "held": held,
        "packs": [p.workflow for p in context.orders.packs],
        **more,
    }
    return await render(request, "admin.html.j2", values, here="/desk/admin", status=status)


async def make_key(request: web.Request) -> web.StreamResponse:
    """Create a key, and show it this once: of two from a double click, nobody would have seen the first."""
    return await once_by_form(request, _make_key, KEY_SHOWN)


async def _make_key(request: web.Request) -> web.StreamResponse:
    form, orders = await form_of(request), request.app[CONTEXT].orders
    name, role = form.get("name", "").strip()[:LONGEST_NAME], form.get("role", "")
    if not name:
        raise Rejection("name: say whose key it is")
    scope = read_scope(form.get("scope", "").replace(",", " ").split())
    check_fits(role, scope, (p.workflow for p in orders.packs), api_keys.ROLES)
    now = orders.time.now()
    limits: JsonObject = {"scopes": written(scope)} if not scope.is_everything else {}
    async with orders.ledger.transaction() as tx:
        key = await api_keys.create(tx, role, name, now, scope)
        await write_audit(tx, [audit_line(request, "key.created", name=name, role_given=role, **limits)], now)
    return await _page(request, {"key": key, "name": name}, 201)


def _audiences(request: web.Request) -> frozenset[str]:
    """The audiences whose people may have keys: such a key sees the orders of one party."""
    found = {a for p in request.app[CONTEXT].orders.packs for a in audiences_of(p.workflow)}
    return frozenset(found - set(api_keys.ROLES))


async def revoke_key(request: web.Request) -> web.StreamResponse:
    """Revoke the keys of a name, with their sessions and streams."""
    name, orders = (await form_of(request)).get("name", ""), request.app[CONTEXT].orders
    now = orders.time.now()
    async with orders.ledger.transaction() as tx:
        ended = await api_keys.revoke(tx, name, now)
        out = await sessions.end_named(tx, name, now)
        if not ended and not out:
            raise Problem(404, "No such key", "there is no active key with this name")
        await write_audit(tx, [audit_line(request, "key.revoked", name=name, keys=ended, sessions=out)], now)
    raise web.HTTPSeeOther("/desk/admin#keys")


async def find_person(request: web.Request) -> web.StreamResponse:
    """From the form to the person's own page."""
    query = query_of(request, PersonQuery)
    country = f"?{urlencode({'country': query.country})}" if query.country else ""
    raise web.HTTPFound(f"/desk/admin/people/{quote(query.address.strip() or '-', safe='+@')}{country}")


async def person(request: web.Request) -> web.StreamResponse:
    """Show what is known of a person, with the form that erases it."""
    data = await data_of_person(request)
    return await render(request, "person.html.j2", _of_person(request) | {"data": data}, here="/desk/admin")


async def forget(request: web.Request) -> web.StreamResponse:
    """Erase the person everywhere, once that was confirmed by typing the word."""
    if (await form_of(request)).get("sure", "").strip().lower() != "erase":
        raise Problem(422, "Not confirmed", "write the word erase to confirm; it cannot be undone")
    return await once_by_form(request, _forget)


async def _forget(request: web.Request) -> web.StreamResponse:
    done = await erase(request)
    return await render(request, "person.html.j2", _of_person(request) | {"done": done}, here="/desk/admin")


def _of_person(request: web.Request) -> PageValues:
    country = query_of(request, OfCountry).country
    return {
        "address": request.match_info["address"],
        "query": f"?{urlencode({'country': country})}" if country else "",
        "path": f"/desk/admin/people/{quote(request.match_info['address'], safe='+@')}",
        "api": f"/v1/people/{quote(request.match_info['address'], safe='+@')}",
    }


async def act_on_all_letters(request: web.Request) -> web.StreamResponse:
    """Replay or drop all dead letters, or the oldest ones where there are many, so that the page answers in seconds."""
    letters, act = dead_letters_of(request), request.match_info["act"]
    try:
        count = await (letters.replay_all if act == "replay" else letters.drop_all)(WINDOW)
    except BrokerLost as lost:
        raise Problem(503, "Unavailable", "the broker did not answer; the other dead letters are still there") from lost
    noted(request, count=count)
    raise see_letters(act, count)

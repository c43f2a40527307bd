"""`/v1/people/{address}`: a person's data (for the person), their orders (for a publisher's app), and their erasure."""

from collections import Counter
from typing import Final

from aiohttp import web

from service.broker.port import BrokerLost
from service.canonical import canonical_address, spellings
from service.domain.address_keys import address_key
from service.domain.erasure import addresses_of
from service.erasing import DeadLetterErasure, Erasure, erase_person
from service.intake.waiting import data_in_waiting, kept_names
from service.ledger.auditing.lines import AuditLine
from service.ledger.orders import waiting
from service.ledger.orders.locking import find_by_id
from service.ledger.orders.search import ListedOrder, Search, search
from service.ledger.people import person_data
from service.ledger.people.erasing import orders_of_people
from service.ledger.people.person_data import PersonData, PersonDataBuilder
from service.phone_numbers import country_of
from service.web.audited import audit_line, noted
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.dead import dead_letters_of
from service.web.params import answer
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import OfCountry, PersonOrdersQuery
from service.web.schemas.people import PersonOrderLine, PersonOrders

MOST_LETTERS: Final = 320


def address_of(request: web.Request) -> tuple[str, ...]:
    """The forms in which the path's address is known, the canonical one last; a national number needs `?country=`.

    Raises Problem.
    """
    text, country = request.match_info["address"].strip(), query_of(request, OfCountry).country
    if not text or len(text) > MOST_LETTERS or "\x00" in text:
        raise Problem(422, "Not accepted", "address: a phone number or mail address is expected")
    known = country_of(country)
    if country and known is None:
        raise Problem(422, "Not accepted", "country: two letters of ISO 3166 are expected, such as IN")
    try:
        found = canonical_address(text, known)
    except ValueError as error:
        hint = "" if "+" in text or "@" in text or known else "; write +..., or say whose with ?country="
        raise Problem(422, "Not accepted", f"address: {error}{hint}") from None
    noted(request, people=[found])
    written = (a for a in spellings(text, [known] if known else ()) if a != found)
    return (*written, found)


async def forget_person(request: web.Request) -> web.StreamResponse:
    """Erase the person everywhere; the answer says what was erased, and what was kept and why."""
    return answer(await erase(request))


async def erase(request: web.Request) -> Erasure:
    """Erase the person whom the path names; raises Problem."""
    orders, letters = request.app[CONTEXT].orders, dead_letters_of(request)
    known_as = address_of(request)

    def line(done: Counter[str]) -> AuditLine:
        return audit_line(request, "person.erased", counts=dict(sorted(done.items())))

    try:
        letters_and_waiting = DeadLetterErasure(letters.forget, letters.waiting_names, kept_names)
        return await erase_person(orders, known_as, letters_and_waiting, line)
    except BrokerLost as lost:
        raise Problem(503, "Unavailable", "the broker did not answer; nothing was erased, try again") from lost


async def get_person(request: web.Request) -> web.StreamResponse:
    """Everything that is known of the person, to be handed to them (GDPR, article 15)."""
    return answer(await data_of_person(request))


async def data_of_person(request: web.Request) -> PersonData:
    """The data of the person whom the path names; raises Problem."""
    context = request.app[CONTEXT]
    orders, known_as = context.orders, address_of(request)
    found = PersonDataBuilder(known_as)
    async with orders.ledger.reading() as tx:
        packs = {p.workflow.name: p.workflow for p in orders.packs}
        await found.add(tx, [n for n in await orders_of_people(tx, known_as) if n.workflow in packs], packs)
        waits = await waiting.all_readable(tx)
        events = (data_in_waiting(plain, orders.packs.workflows, found.traces) for plain in waits)
        found.events += [event for event in events if event]
        return await person_data.finish(tx, found, _kept_for(context.settings.retention_days))


def _kept_for(days: int) -> str:
    """How long it is kept, in words."""
    return f"{days} days after the end of each order" if days else "until it is erased"


async def list_orders_of_person(request: web.Request) -> web.StreamResponse:
    """A customer's list of orders for an app: those that customers may see, the newest first."""
    context = request.app[CONTEXT]
    orders, address = context.orders, address_of(request)[-1]
    query = query_of(request, PersonOrdersQuery)
    unlisted = {
        (pack.workflow.name, status.name)
        for pack in orders.packs
        for status in pack.workflow.statuses.values()
        if not (status.listed and status.tracked)
    }
    wanted = Search(
        recipient=address,
        unlisted=tuple(sorted(unlisted)),
        cursor=query.cursor,
        limit=query.limit,
    )
    async with orders.ledger.reading() as tx:
        page, cursor = await search(tx, wanted, orders.time.now(), scope=scope_of(request))
    lines = [await _line(request, listed, address) for listed in page]
    return answer(PersonOrders([line for line in lines if line], cursor))


async def _line(request: web.Request, listed: ListedOrder, address: str) -> PersonOrderLine | None:
    """An order as its customer sees it in a list."""
    context = request.app[CONTEXT]
    pack = context.orders.packs.find(listed.workflow)
    async with context.orders.ledger.reading() as tx:
        order = await find_by_id(tx, listed.id, scope=scope_of(request))
    if pack is None or order is None:
        return None
    people = [p for ps in order.recipients.values() for p in ps if address_key(address) in addresses_of(p)]
    locale = pack.workflow.locale_for(people[0].locale if people else None)
    stage = pack.workflow.stages.get(order.stage)
    return PersonOrderLine(
        workflow=order.workflow,
        order_id=order.reference,
        status=order.status,
        stage=order.stage,
        stage_title=pack.workflow.title_in(stage.titles, locale, order.stage) if stage else order.stage,
        final=listed.final,
        eta=order.eta,
        updated=order.updated,
        link=f"{context.settings.public_url}/t/{context.composer.link_token(order.id, order.links)}",
    )

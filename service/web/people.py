"""`DELETE /v1/people/{recipient}`: forgets a person everywhere; counts and clocks stay."""

from aiohttp import web

from service.canonical import canonical_address, country_of, spellings
from service.domain.address_keys import address_key
from service.erasing import erase_order
from service.ledger.erasing import orders_of_person
from service.web.audited import audit_line
from service.web.auth import needs
from service.web.bodies import answer
from service.web.context import CONTEXT
from service.web.problems import Problem
from service.web.shapes import Erased


@needs("admin")
async def erase_person(request: web.Request) -> web.StreamResponse:
    """`recipient` is a phone number or email address."""
    core = request.app[CONTEXT].core
    address = request.match_info["recipient"].strip()
    if not address or "\x00" in address:
        raise Problem(422, "Not accepted", "recipient: a phone number or email address is expected")
    country = country_of(request.query.get("country", ""))
    try:
        canonical = canonical_address(address, country)
    except ValueError as error:
        hint = "" if country or "@" in address else "; say its country with ?country= (ISO 3166)"
        raise Problem(422, "Not accepted", f"recipient: {error}{hint}") from None
    known_as = spellings(address, [country] if country else [])
    async with core.ledger.reading() as connection:
        known = await orders_of_person(connection, core.keyring, known_as)
    messages = 0
    line = audit_line(request, "person.erased")
    for name in known:
        messages += await erase_order(core, name, frozenset({address_key(canonical), address_key(address)}), [line])
    return answer(Erased(len(known), messages))

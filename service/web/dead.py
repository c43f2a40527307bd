"""`/v1/dead-letters`: what was refused and why; try it again, or drop it."""

from typing import Final

from aiohttp import web

from service.broker.port import BrokerLost
from service.intake.dead_letters import DeadLetters
from service.web.context import CONTEXT
from service.web.params import answer, whole_number
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import LetterQuery, LettersQuery
from service.web.schemas.dead_letters import DeadLetterLine, DeadLetterPage
from service.web.schemas.fields import Count

MOST: Final = 500


def dead_letters_of(request: web.Request) -> DeadLetters:
    """The queue of dead letters."""
    context = request.app[CONTEXT]
    return DeadLetters(context.broker, context.orders.keyring)


async def list_dead_letters(request: web.Request) -> web.StreamResponse:
    """The first ones in the queue; their content is for `stagebell dead show`."""
    try:
        found = await dead_letters_of(request).inspect(query_of(request, LettersQuery).limit)
    except BrokerLost as lost:
        raise Problem(503, "Unavailable", "the broker did not answer; try again") from lost
    lines = [DeadLetterLine(d.number, d.key, d.reason, d.at, d.type, d.order_id, d.routing_key) for d in found]
    return answer(DeadLetterPage(lines))


async def replay_dead_letter(request: web.Request) -> web.StreamResponse:
    """Publish one to the orders exchange again."""
    return answer(Count(await change_dead_letter(request, "replay")))


async def drop_dead_letter(request: web.Request) -> web.StreamResponse:
    """Drop one."""
    return answer(Count(await change_dead_letter(request, "drop")))


async def change_dead_letter(request: web.Request, act: str) -> int:
    """Replay or drop the dead letter that the path names; how many were affected. Raises Problem."""
    number = number_of(request)
    letters = dead_letters_of(request)
    change = letters.replay if act == "replay" else letters.drop
    try:
        count = await change({number}, number, query_of(request, LetterQuery).key)
    except BrokerLost as lost:
        raise Problem(503, "Unavailable", "the broker did not answer; the dead letter was left in place") from lost
    if not count:
        raise Problem(404, "No such dead letter", "the queue has changed; look at it again")
    return count


def number_of(request: web.Request) -> int:
    """The dead letter's place in the queue, from 1; raises Problem."""
    number = whole_number(request.match_info["number"], 1, MOST)
    if number is None:
        raise Problem(404, "No such dead letter", f"dead letters are numbered from 1 to {MOST}")
    return number

"""`attributes.NAME=value`: lists of orders filtered by the attributes that packs show."""

from collections.abc import Iterable, Iterator

from aiohttp import web
from msgspec import Struct

from service.domain.attribute_keys import filterable, sought
from service.domain.errors import Rejection
from service.domain.scopes import Scope
from service.domain.transitions import require_known
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.orders.attributes import digest_of, is_indexed, rules_of
from service.ledger.orders.search import Search
from service.web.context import CONTEXT, Context
from service.web.known import workflows_of
from service.web.queries import ATTRIBUTES


class Filter(Struct, frozen=True):
    """A filter field of the desk's form."""

    name: str
    title: str
    value: str


def names(request: web.Request) -> list[str]:
    """The query parameters that filter by an attribute."""
    return [name for name in request.query if name.startswith(ATTRIBUTES)]


def digests_of(request: web.Request, *, apart: bool = False) -> tuple[frozenset[bytes], ...]:
    """For each attribute filtered by, the digests under which matching orders are indexed; raises Rejection.

    `apart`: an attribute may be another workflow's than the one that is asked for, as on a page where somebody changes
    one filter after the other.
    """
    wanted = [(name.removeprefix(ATTRIBUTES), request.query[name]) for name in names(request) if request.query[name]]
    return tuple(frozenset(_digests(request, name, value, apart)) for name, value in wanted)


def _digests(request: web.Request, name: str, value: str, apart: bool) -> Iterator[bytes]:
    orders, workflow = request.app[CONTEXT].orders, request.query.get("workflow", "")
    known = workflows_of(request)
    packs = [w for w in known if workflow in ("", w.name)]
    _require_filterable(name, known if apart else packs)
    problem = None
    found = []
    for w in packs:
        if (attribute := filterable(w).get(name)) is None:
            continue
        try:
            found.append(digest_of(orders.keyring, w.name, name, sought(attribute, value, w.timezone)))
        except Rejection as rejection:
            problem = rejection
    if problem and not found:
        raise problem
    yield from found


def _require_filterable(name: str, packs: Iterable[Workflow]) -> None:
    packs = list(packs)
    known = {n for w in packs for n in filterable(w)}
    if name not in known and any(name in w.attributes for w in packs):
        by = f"those are {', '.join(sorted(known))}" if known else "there is none"
        raise Rejection(f"attributes.{name}: filters are attributes that packs list under `shows`, except lists; {by}")
    require_known("attribute", name, known, f"attributes.{name}"[:80])


async def warnings(tx: Transaction, context: Context, wanted: Search, *, scope: Scope) -> list[str]:
    """Why orders may be missing from the answer: older ones that are not yet indexed by attribute, or by party."""
    by_index = wanted.attributes or scope.parties
    if not by_index or await is_indexed(tx, rules_of(context.orders.packs.workflows.values())):
        return []
    what = "attributes" if wanted.attributes else "orders"
    return [f"{what}: older orders are still being indexed; some may be missing, ask again in some minutes"]


def fields(request: web.Request) -> list[Filter]:
    """The filters that the desk offers: the attributes that the workflow shows, and those already in use."""
    chosen = {w.name: w for w in workflows_of(request)}.get(request.query.get("workflow", ""))
    titles = {n: a.titles.get(chosen.default_locale, "") for n, a in filterable(chosen).items()} if chosen else {}
    wanted = {n.removeprefix(ATTRIBUTES): request.query[n] for n in names(request) if request.query[n]}
    return [
        Filter(f"{ATTRIBUTES}{name}", titles.get(name) or name.replace("_", " "), wanted.get(name, ""))
        for name in dict.fromkeys([*titles, *wanted])
    ]

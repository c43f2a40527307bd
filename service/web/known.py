"""Filter values that name something: an unknown name is refused, with the nearest known one.

Names of earlier versions of a pack are known, too: the ledger may still hold orders of theirs.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct
from yaml import YAMLError

from service.domain.teams import SEVERITIES
from service.domain.transitions import require_known
from service.domain.workflow import Workflow
from service.ledger.orders import packs as pack_store
from service.web.auth import scope_of
from service.web.context import CONTEXT

_YAML: Final = "/workflow.yaml"


class Names(Struct, frozen=True):
    """The names that one pack uses."""

    workflow: str
    statuses: frozenset[str]
    stages: frozenset[str]
    teams: frozenset[str]


class _Earlier(Struct):
    """The names in an earlier version of a pack, read without the rest of it."""

    workflow: str = ""
    statuses: dict[Any, Any] = {}
    stages: dict[Any, Any] = {}
    teams: dict[Any, Any] = {}


async def check_names(request: web.Request, *, apart: bool = False) -> None:
    """Raises Rejection for an unknown workflow, status, stage, team or severity in the query.

    `apart`: a status or stage may be another workflow's than the one that is asked for, as on a page where somebody
    changes one filter after the other.
    """
    context, scope = request.app[CONTEXT], scope_of(request)
    packs = [names_of(w) for w in workflows_of(request)]
    if all(value in known for _, value, known in _named_in_query(request, packs, apart)):
        return
    async with context.orders.ledger.reading() as tx:
        bundles = await pack_store.files_of_all(tx)
    earlier = [names for bundled in bundles for names in _earlier(bundled)]
    packs += [names for names in earlier if scope.has_workflow(names.workflow)]
    for name, value, known in _named_in_query(request, packs, apart):
        require_known(name, value, known, name)


def workflows_of(request: web.Request) -> list[Workflow]:
    """The packs in use of which the caller may see anything."""
    scope = scope_of(request)
    return [p.workflow for p in request.app[CONTEXT].orders.packs if scope.has_workflow(p.workflow.name)]


def require_workflow(request: web.Request, name: str) -> Workflow:
    """The pack in use of this name, if the caller may see anything of it; raises Rejection."""
    known = {w.name: w for w in workflows_of(request)}
    require_known("workflow", name, known, "workflow")
    return known[name]


def teams_of(request: web.Request) -> set[str]:
    """The teams of those packs that the caller may see."""
    scope = scope_of(request)
    return {team for w in workflows_of(request) for team in w.teams if scope.has_team(team)}


def names_of(workflow: Workflow) -> Names:
    """The names in a pack in use."""
    return Names(workflow.name, frozenset(workflow.statuses), frozenset(workflow.stages), frozenset(workflow.teams))


def _named_in_query(request: web.Request, packs: Iterable[Names], apart: bool) -> Iterator[tuple[str, str, set[str]]]:
    """Each filter of the query with its value and the known names; statuses and stages are those of the workflow."""
    q, packs = request.query, list(packs)
    workflow = q.get("workflow", "")
    if workflow:
        yield "workflow", workflow, {names.workflow for names in packs}
    theirs = [names for names in packs if apart or workflow in ("", names.workflow)]
    for status in (s for s in q.get("status", "").split(",") if s):
        yield "status", status, {s for names in theirs for s in names.statuses}
    if stage := q.get("stage", ""):
        yield "stage", stage, {s for names in theirs for s in names.stages}
    if team := q.get("team", ""):
        scope, other = scope_of(request), request.app[CONTEXT].settings.provider_team
        teams = {t for names in packs for t in names.teams} | {other} - {""}
        yield "team", team, {t for t in teams if scope.has_team(t)}
    if severity := q.get("severity", ""):
        yield "severity", severity, set(SEVERITIES)


def _earlier(bundled: bytes) -> Iterator[Names]:
    """The names in a stored pack; none for one that can no longer be read."""
    try:
        texts = msgspec.json.decode(zlib.decompress(bundled), type=dict[str, str])
        for text in (text for name, text in texts.items() if name.endswith(_YAML)):
            pack = msgspec.yaml.decode(text, type=_Earlier)
            named = (frozenset(map(str, part)) for part in (pack.statuses, pack.stages, pack.teams))
            yield Names(pack.workflow, *named)
    except (zlib.error, msgspec.DecodeError, YAMLError):
        return

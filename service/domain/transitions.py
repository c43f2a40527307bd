"""The allowed transitions between statuses, and the texts that refuse others."""

import difflib
from collections.abc import Collection, Iterable
from typing import Literal

from service.domain.errors import Rejection
from service.domain.events import Data
from service.domain.order import Order
from service.domain.quoting import quoted
from service.domain.workflow import Workflow

Move = Literal["enter", "again", "repeat"]


def require_known(kind: str, name: str, known: Collection[str], where: str) -> None:
    """Raise a Rejection that suggests the nearest known name."""
    if name in known:
        return
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    raise Rejection(f"{where}: unknown {kind} {quoted(name)}; {hint}")


def check_start(workflow: Workflow, status: str) -> None:
    """Raises Rejection if a new order may not begin in `status`; an adopting workflow takes any status."""
    if workflow.adopts or status in workflow.starts:
        return
    raise Rejection(f"data.status: a new {workflow.name} order starts as {_listed(workflow.starts)}, not {status!r}")


def check_move(workflow: Workflow, current: str, status: str) -> Move:
    """The kind of move from `current` to `status`; raises Rejection naming what would be allowed.

    *again*: the status is entered once more, with its notices; *repeat*: the event only brings new data.
    """
    if status == current:
        on_repeat = workflow.statuses[status].on_repeat or ("update" if workflow.repeat_updates else "reject")
        if on_repeat == "notify":
            return "again"
        if on_repeat == "update":
            return "repeat"
        raise Rejection(f"data.status: the order is already {current!r}, and a repeat is not taken")
    if status in workflow.moves[current]:
        return "enter"
    if workflow.is_final(current):
        raise Rejection(f"data.status: the order ended as {current!r}; {status!r} cannot follow")
    raise Rejection(f"data.status: {status!r} cannot follow {current!r}; allowed: {_listed(workflow.moves[current])}")


def check_needs(workflow: Workflow, order: Order, data: Data, origin: str) -> None:
    """Raises Rejection naming a value that entering the status needs, and that neither event nor order has.

    `origin`: the previous status; empty for an order's first event.
    """
    for need in workflow.statuses[order.status].needs:
        if need.origins and origin not in need.origins:
            continue
        given = data.note and data.note.text.strip() if need.path == "note" else order.value(need.path)
        if given in (None, "", (), [], {}):
            coming = f" from {origin!r}" if need.origins else ""
            raise Rejection(f"data.{need.path}: entering {order.status!r}{coming} needs it")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

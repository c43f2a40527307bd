"""Rows that an event adds to the lists of its order, and the notices that they call for."""

from typing import Final

from service.domain import notifying
from service.domain.causes import GreetRows
from service.domain.draft import Draft
from service.domain.errors import Rejection
from service.domain.events import Data
from service.domain.lists import ListState, grown
from service.domain.planning import NoticeOptions
from service.domain.readers import Reader

# The audience of the people of rows, who take no other part in the order.
OF_ROW: Final = "row"


def grow(draft: Draft, data: Data) -> list[str]:
    """Count the rows that this event adds to the order's lists; the notices that new rows call for."""
    notices: list[str] = []
    for name, given in data.lists.items():
        if not given.size:
            continue
        state = grown(draft.order.lists.get(name, ListState()), given)
        draft.set(lists={**draft.order.lists, name: state})
        by = (data.actor.name or data.actor.id) if data.actor else ""
        draft.log(f"rows_{given.change}", list=name, count=given.size, by=by, batch=given.id)
        if given.change == "added":
            notices += [n.name for n in draft.workflow.notices.values() if name in n.on_rows]
    return notices


def greet(draft: Draft, cause: GreetRows) -> None:
    """Tell the notice to each of these people, over each of its channels that reaches them. Raises Rejection.

    Wishes, quiet hours, opt-outs and caps apply as to every message.
    """
    notice = draft.workflow.notices.get(cause.notice)
    if notice is None:
        raise Rejection(f"there is no notice {cause.notice!r} any more to greet rows by")
    for person in cause.people:
        for name in notice.channels:
            for address in draft.workflow.channel(name).addresses(person):
                reader = Reader(name, address, OF_ROW, 0, (person,))
                notifying.notify(draft, notice.name, draft.now, NoticeOptions(to=reader))

"""*follow_up*: a notice some time after entering a status, unless something made it pointless."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from service.domain.calendars import quiet_until
from service.domain.clocks.kinds.dwell import Dwell
from service.domain.clocks.timing import later, within
from service.domain.draft import Draft
from service.domain.order import Order
from service.domain.promises import ClockSpec
from service.domain.readers import people_of

PROMPT: Final = timedelta(minutes=15)
# If all working hours lay within the quiet hours, it would be postponed endlessly.
MOST_MOVES: Final = 7


class FollowUp(Dwell):
    """Counts like a dwell clock and promises nothing."""

    is_promise: ClassVar[bool] = False
    is_about_order: ClassVar[bool] = False

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length after entering; a plain one with a calendar is over when somebody works."""
        if spec.ends_in_working_time:
            return later(spec, order, basis + within(spec, order), timedelta(0))
        return super().due(spec, order, basis)

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        what = spec.notify or (spec.publish.type if spec.publish else "nothing")
        return f"{what} {within} after entering {statuses}"


def ready_at(draft: Draft, spec: ClockSpec, due: datetime) -> datetime:
    """When a follow-up that is due may be told: when somebody works, and one of its readers has no quiet hours.

    Until then it can be called off. Readers for whom it is still quiet hours then are written to after them. What is
    noticed as soon as it is due is in working time, even at its last minute.
    """
    moment = draft.now if draft.now - due <= PROMPT else _open(draft, spec, draft.now)
    for _ in range(MOST_MOVES):
        awake = _awake(draft, spec, moment)
        if awake == moment:
            break
        moment = _open(draft, spec, awake)
    return moment


def _open(draft: Draft, spec: ClockSpec, moment: datetime) -> datetime:
    return later(spec, draft.order, moment, timedelta(0)) if spec.calendar else moment


def _awake(draft: Draft, spec: ClockSpec, moment: datetime) -> datetime:
    quiet, notice = draft.workflow.quiet, draft.workflow.notices.get(spec.notify or "")
    if quiet is None or notice is None or notice.quiet != "wait":
        return moment
    people = [person for audience in notice.audiences for person in people_of(draft, audience)]
    zones = {person.timezone or draft.workflow.timezone for person in people}
    return min((quiet_until(quiet, moment, zone) or moment for zone in zones), default=moment)

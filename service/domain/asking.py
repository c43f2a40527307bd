"""Manual notices: for which orders they are offered, and the values that the agent fills in. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import to_builtins

from service.domain import attributes
from service.domain.attributes import moment_of
from service.domain.conditions.judging import Situation, why_not
from service.domain.errors import NotNow, Rejection
from service.domain.json_object import JsonObject
from service.domain.notice_rules import Ask, Notice
from service.domain.order import Order
from service.domain.workflow import Workflow

LONGEST: Final = 500


def offered(workflow: Workflow, order: Order, now: datetime) -> tuple[Notice, ...]:
    """The manual notices that may be sent about the order as it is now."""
    return tuple(n for n in workflow.notices.values() if n.manual and not _why_not_now(workflow, n, order, now))


def require_offered(workflow: Workflow, notice: Notice, order: Order, now: datetime) -> None:
    """Raises NotNow for a manual notice that is not offered for this order now."""
    if why := _why_not_now(workflow, notice, order, now):
        raise NotNow(f"reason: {notice.name!r} is not sent {why}")


def _why_not_now(workflow: Workflow, notice: Notice, order: Order, now: datetime) -> str:
    if notice.statuses and order.status not in notice.statuses:
        known = ", ".join(s for s in workflow.statuses if s in notice.statuses)
        return f"in {order.status!r}; it is in {known}"
    why = why_not(notice.when, Situation(order, now, workflow.timezone))
    return f"about this order: {why}" if why else ""


def answers(notice: Notice, order: Order, inputs: Mapping[str, Any], zone: str, now: datetime) -> JsonObject:
    """The notice's values from `inputs`, checked, with the order's own as defaults; raises Rejection.

    Blank counts as not given. A date that must lie ahead is refused when it does not; a past default is ignored.
    """
    for name in inputs:
        if name not in notice.asks:
            known = ", ".join(notice.asks) or "nothing"
            raise Rejection(f"inputs.{name:.60}: is not asked for {notice.name!r}; asked is {known}")
    declared = {name: ask.attribute for name, ask in notice.asks.items()}
    given = {name: value for name, value in inputs.items() if value is not None and value != ""}
    for name, value in given.items():
        if isinstance(value, str) and len(value) > LONGEST:
            raise Rejection(f"inputs.{name}: at most {LONGEST} characters are taken")
    kept = attributes.checked(given, declared, zone, "inputs")
    for name, ask in notice.asks.items():
        if name not in kept and (default := default_of(ask, order, zone, now)) is not None:
            kept[name] = default
        if name not in kept:
            raise Rejection(f"inputs.{name}: is needed for {notice.name!r}: {attributes.WORDS[ask.attribute.type]}")
        if ask.attribute.type == "datetime" and _is_day(kept[name]):
            raise Rejection(f"inputs.{name}: a time of day is needed, too, such as 2026-12-27T10:00")
        if ask.ahead and not _is_ahead(kept[name], zone, now):
            raise Rejection(f"inputs.{name}: must lie ahead")
    return kept


def default_of(ask: Ask, order: Order, zone: str, now: datetime) -> Any:
    """The order's own value for an input, in stored form; None where there is none, or it does not count."""
    value = to_builtins(order.value(ask.default)) if ask.default else None
    if (
        value is None
        or (ask.attribute.type == "datetime" and _is_day(value))
        or (ask.ahead and not _is_ahead(value, zone, now))
    ):
        return None
    try:
        return attributes.checked({"x": value}, {"x": ask.attribute}, zone)["x"]
    except Rejection:
        return None


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and len(value) == len("2026-12-27")


def _is_ahead(value: Any, zone: str, now: datetime) -> bool:
    moment = moment_of(value, zone)
    return moment is not None and moment > now


def values(notice: Notice | None, asked: Mapping[str, Any]) -> JsonObject:
    """The filled-in values for templates; None for those that were erased since."""
    asks = notice.asks if notice else {}
    given = attributes.values(asked, {name: ask.attribute for name, ask in asks.items()})
    return {**dict.fromkeys(asks), **given}

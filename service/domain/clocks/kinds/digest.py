"""*digest*: what a team has open, once a day. It is a team's, not an order's: the calendar runs it."""

from datetime import time

from service.domain.calendars import Schedule
from service.domain.teams import Team


def schedule_of(team: Team) -> Schedule | None:
    """When the team's digest comes, in the team's zone; None for a team that wants none."""
    return Schedule("day", time.fromisoformat(team.digest_at), team.timezone) if team.digest_at else None

"""A circuit breaker: stops hammering a provider that is down, lets one probe through, closes when it answers.

Ours, because the libraries at hand let every caller through while half open; see docs/architecture.md.
"""

from datetime import datetime, timedelta
from typing import Final

OPENS_AFTER: Final = 5
FIRST_REST: Final = timedelta(seconds=5)
LONGEST_REST: Final = timedelta(seconds=60)


class Breaker:
    """Counts trouble in a row. `now` is passed in (UTC)."""

    def __init__(self) -> None:
        self._troubles = 0
        self._rests = 0
        self._closed_until_trouble = True
        self._rest_until: datetime | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the provider is left alone."""
        return not self._closed_until_trouble

    def room(self, now: datetime, wanted: int) -> int:
        """How many sends may begin now: all, none while resting, one as a probe after it."""
        if self._rest_until is not None and now < self._rest_until:
            return 0
        if self._closed_until_trouble:
            return wanted
        return 0 if self._probing else min(1, wanted)

    def begin(self) -> None:
        """A send begins; while open, that is the probe."""
        self._probing = self.is_open

    def rest_until(self) -> datetime | None:
        """When to ask again."""
        return self._rest_until

    def succeeded(self) -> None:
        """The provider answered, whatever it said."""
        self._troubles = self._rests = 0
        self._closed_until_trouble = True
        self._probing = False
        self._rest_until = None

    def pause(self, until: datetime) -> None:
        """The provider asked to be left alone until then (429 with Retry-After)."""
        self._probing = False
        self._rest_until = max(self._rest_until or until, until)

    def troubled(self, now: datetime) -> None:
        """No answer, or no connection."""
        self._troubles += 1
        if self._troubles < OPENS_AFTER and self._closed_until_trouble:
            return
        self._closed_until_trouble = self._probing = False
        self._rest_until = now + min(FIRST_REST * 2**self._rests, LONGEST_REST)
        self._rests = min(self._rests + 1, 6)

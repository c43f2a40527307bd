"""A circuit breaker: stops sending to a provider that is down or refuses us, except for one probe at a time.

Our own, because libraries let every caller through while half open; see docs/adr.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

OPENS_AFTER: Final = 5
FIRST_REST: Final = timedelta(seconds=5)
LONGEST_REST: Final = timedelta(seconds=60)
# A refusal has to be resolved by people, so probes are rare.
FIRST_REFUSED_REST: Final = timedelta(seconds=30)
LONGEST_REFUSED_REST: Final = timedelta(minutes=5)


class Breaker:
    """Counts consecutive failures. `now` is passed in (UTC)."""

    def __init__(self) -> None:
        self._failures = 0
        self._backoffs = 0
        self._closed = True
        self._refused = False
        self._rest_until: datetime | None = None
        self._paused_until: datetime | None = None
        self._probes = 0

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open."""
        return not self._closed

    @property
    def is_refused(self) -> bool:
        """Whether it is open because the provider refuses us."""
        return self._refused

    def permits(self, now: datetime, wanted: int) -> int:
        """How many sends may begin now: all when closed, none when open, one probe when half open."""
        until = self.rest_until()
        if until is not None and now < until:
            return 0
        if self._closed:
            return wanted
        return 0 if self._probes else min(1, wanted)

    def attempt(self, now: Callable[[], datetime]) -> "Attempt":
        """A send, as a context manager: leaving it without a result counts as a failure."""
        return Attempt(self, now)

    def begin(self) -> bool:
        """A send begins; whether that is the probe."""
        self._probes += self.is_open
        return self.is_open

    def end_probe(self) -> None:
        """Allow the next probe, however this one ended."""
        self._probes = max(0, self._probes - 1)

    def rest_until(self) -> datetime | None:
        """When the next probe is allowed."""
        rest, paused = self._rest_until, self._paused_until
        return max(rest, paused) if rest and paused else rest or paused

    def ask_now(self) -> None:
        """Allow a probe at once, as the provider is reported to work again."""
        self._rest_until = None

    def succeeded(self) -> None:
        """The provider answered, and does not refuse us."""
        self._failures = self._backoffs = 0
        self._closed = True
        self._refused = False
        self._rest_until = None

    def pause(self, until: datetime) -> None:
        """Open until then, as the provider asked (429 with Retry-After)."""
        self._paused_until = max(self._paused_until or until, until)

    def troubled(self, now: datetime) -> None:
        """No answer, or no connection."""
        self._failures += 1
        if self._failures < OPENS_AFTER and self._closed:
            return
        self._open(now, FIRST_REST, LONGEST_REST)

    def refused(self, now: datetime) -> None:
        """Open at the first refusal. Results of sends that began before do not extend the time."""
        if self._refused and self._rest_until is not None and now < self._rest_until:
            return
        if not self._refused:
            self._refused, self._backoffs = True, 0
        self._open(now, FIRST_REFUSED_REST, LONGEST_REFUSED_REST)

    def _open(self, now: datetime, first: timedelta, longest: timedelta) -> None:
        self._closed = False
        rest = min(first * 2**self._backoffs, longest)
        self._rest_until = max(self._rest_until or now, now + rest)
        self._backoffs = min(self._backoffs + 1, 6)


class Attempt:
    """One send through a breaker. Report its result; an exception instead, cancellation included, is a failure."""

    def __init__(self, breaker: Breaker, now: Callable[[], datetime]) -> None:
        self._breaker = breaker
        self._now = now
        self._is_probe = False
        self._is_told = False

    def __enter__(self) -> Self:
        self._is_probe = self._breaker.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_probe:
            self._breaker.end_probe()
        # What was sent before the breaker opened, and ends badly after that, tells nothing new: a burst of sends that
        # hang would else make the first rest the longest one.
        is_late = self._breaker.is_open and not self._is_probe
        if not self._is_told and not is_late:
            self._breaker.troubled(self._now())

    def works(self) -> None:
        """The provider answered, whatever about the message."""
        self._is_told = True
        self._breaker.succeeded()

    def pauses(self, seconds: float) -> None:
        """The provider asked for a pause."""
        self._is_told = True
        self._breaker.pause(self._now() + timedelta(seconds=seconds))

    def unknown(self) -> None:
        """Nothing was learned here."""
        self._is_told = True

    def refuses(self) -> None:
        """It refuses us."""
        self._is_told = True
        self._breaker.refused(self._now())

"""A channel's rate limit: so many at once, then as fast as the limit lets more pass."""

from service.dispatch.channels.capture import CaptureProvider
from service.dispatch.channels.port import Outgoing
from service.dispatch.route import Route
from service.domain.notices import Accepted
from service.timekeeping import ManualTime
from service.workflows.templates import Rendered
from tests.support.events import NOON

MESSAGE = Outgoing("n-1", "+919812345678", Rendered(text="hello"), 60, "")


async def test_no_more_are_begun_than_the_rate_lets_pass() -> None:
    route = Route("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60, per_second=0.5)
    assert route.room(60) == 1
    assert route.until_admitted() == 0
    assert await route.send(MESSAGE) == (Accepted("capture", "n-1"), "capture")
    assert route.room(60) == 0
    assert route.until_admitted() == 2
    assert Route("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60, per_second=7).room(60) == 7
    assert Route("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60).room(60) == 60

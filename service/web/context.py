"""What request handlers need, hung on the aiohttp application."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from msgspec import Struct

from service.broker.port import Broker
from service.core import Core
from service.dispatch.compose import Composer
from service.dispatch.route import Route
from service.dispatch.settle import Settler
from service.intake.intake import Intake
from service.ledger.keys import Caller, Role
from service.readiness import Readiness
from service.settings import Settings
from service.web.auditor import Auditor
from service.web.broadcast import Broadcaster
from service.web.limits import Limits
from service.web.session import Sessions


class Context(Struct, frozen=True):
    """The parts of the service that pages and calls use. `open_to`: a role that needs no key (the demo)."""

    settings: Settings
    core: Core
    intake: Intake
    settler: Settler
    composer: Composer
    broker: Broker
    routes: dict[str, Route]
    readiness: Callable[[], Awaitable[Readiness]]
    stream: Broadcaster
    limits: Limits
    sessions: Sessions
    auditor: Auditor
    open_to: Role | None = None


CONTEXT: Final = web.AppKey("context", Context)
CALLER: Final = web.RequestKey("caller", Caller)

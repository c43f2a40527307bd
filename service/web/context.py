"""What request handlers need, kept in the aiohttp application."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from msgspec import Struct

from service.attachments.store import AttachmentStore
from service.broker.port import Broker
from service.dispatch.compose import Composer
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Settler
from service.dispatch.template_states import TemplateStates
from service.editing.changing import Editor
from service.editing.live import LiveWords
from service.intake.group_commit import GroupCommit
from service.intake.intake import Intake
from service.ledger.access.api_keys import Caller, Role
from service.orders import Orders
from service.readiness import Readiness
from service.settings import Settings
from service.web.auditor import Auditor
from service.web.broadcast import Broadcaster
from service.web.counted import SharedCounts
from service.web.limits import RateLimits
from service.web.session import Sessions


class Context(Struct, frozen=True):
    """The parts of the service that pages and calls use. `open_to`: a role that needs no key (the demo)."""

    settings: Settings
    orders: Orders
    intake: Intake | GroupCommit
    settler: Settler
    composer: Composer
    broker: Broker
    routes: dict[str, ChannelRoute]
    readiness: Callable[[], Awaitable[Readiness]]
    stream: Broadcaster
    limits: RateLimits
    sessions: Sessions
    auditor: Auditor
    templates: TemplateStates
    attachments: AttachmentStore
    words: LiveWords
    editor: Editor
    counted: SharedCounts
    open_to: Role | None = None


CONTEXT: Final = web.AppKey("context", Context)
CALLER: Final = web.RequestKey("caller", Caller)

"""The parts of a process, built from its settings and wired to each other."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from service.broker.port import Broker
from service.dispatch.budgets import Budgets
from service.dispatch.compose import Composer
from service.dispatch.guards import SendLimits
from service.dispatch.health import ProviderHealth
from service.dispatch.holds import HoldCache
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Settler
from service.dispatch.straight import StraightWay
from service.dispatch.template_states import TemplateStates
from service.editing.live import LiveWords
from service.intake.intake import Intake
from service.ledger.access.api_keys import Role
from service.ledger.database.listening import Listener
from service.ledger.database.liveness import SessionLiveness
from service.ledger.database.wakeups import Wakeups
from service.opening import ledger_of
from service.orders import Orders
from service.providers import attachments_of
from service.readiness import Watch
from service.reload import Reloader
from service.runtime.supervision import Supervisor
from service.settings import Settings, SettingsError
from service.starting import (
    broker_of,
    check_roles,
    check_words,
    packs_in,
)
from service.timekeeping import SteadyTime, TimeSource
from service.web.counted import SharedCounts
from service.web.server import Runner
from service.workflows.packs import Pack, Packs

ROLES: Final = ("intake", "dispatch", "clock", "relay", "web")


class Parts:
    """What a process of the service is made of, wired and not yet started."""

    def __init__(
        self,
        settings: Settings,
        roles: Iterable[str] = ROLES,
        *,
        time: TimeSource | None = None,
        broker: Broker | None = None,
        packs: Iterable[Pack] | None = None,
        open_to: Role | None = None,
        captured: bool = False,
    ) -> None:
        """`packs`: those of the folder, if it was read before; `captured`: all channels are, whatever is set."""
        self.settings = settings
        self.roles = tuple(roles)
        check_roles(self.roles, ROLES, settings.broker_url if broker is None else "")
        self.packs = Packs(packs_in(settings.workflows) if packs is None else packs)
        if "web" in self.roles:
            check_words(settings)
        self.ledger = ledger_of(settings)
        self.time = time or SteadyTime(settings.time_speed)
        self.wakeups = Wakeups()
        endpoints = {team: len(urls) for team, urls in settings.team_endpoints().items()}
        self.orders = Orders(self.ledger, self.packs, self.time, self.wakeups, endpoints)
        self.broker: Broker = broker or broker_of(settings)
        self._check_provider_team()
        self._build_dispatch()
        self.intake = Intake(self.orders, self._straight)
        self.counted = SharedCounts(self.orders)
        self.attachments = attachments_of(settings, self.orders)
        self.stopping = asyncio.Event()
        self.words = LiveWords(self.orders)
        self.reloader = Reloader(self.orders, settings.workflows, self._on_reload, self.words)
        self.supervisor = Supervisor()
        self.watch = Watch(self.ledger, self.broker, self.supervisor.ended_roles, self._lame_parts)
        liveness = self.ledger.liveness if isinstance(self.ledger.liveness, SessionLiveness) else None
        self._listener = Listener(self.ledger.direct, self.wakeups, liveness) if self.ledger.direct else None
        self.port = settings.http_port
        self._open_to = open_to
        self._captured = captured
        self._runner: Runner | None = None

    def _check_provider_team(self) -> None:
        """Raises SettingsError if PROVIDER_TEAM names a team that no pack has."""
        team = self.settings.provider_team
        if team and team not in self.teams:
            known = ", ".join(self.teams)
            raise SettingsError(f"STAGEBELL_PROVIDER_TEAM: no pack has a team {team!r}; known: {known}")

    def _build_dispatch(self) -> None:
        settings = s = self.settings
        self.limits = SendLimits(
            s.allowed_countries, s.max_per_number_per_day, s.max_per_prefix_per_day, s.max_sms_per_day
        )
        self.budgets = Budgets(self.orders, settings.prices)
        self.health = ProviderHealth(self.orders, settings.provider_team, self.limits, self.budgets)
        self._straight = StraightWay(self.orders)
        self.settler = Settler(self.orders, self.health)
        self.holds = HoldCache(self.orders, self.budgets)
        self.templates = TemplateStates(self.orders, settings.twilio_accounts())
        mail_domain = settings.mail_domain if settings.mail_in else ""
        self.composer = Composer(
            self.packs,
            self.ledger.keyring,
            settings.brand,
            settings.public_url,
            mail_domain,
            timedelta(days=settings.link_days),
        )
        self.routes: dict[str, ChannelRoute] = {}

    @property
    def teams(self) -> tuple[str, ...]:
        """Every team that a pack may call."""
        return tuple(dict.fromkeys(team for pack in self.packs for team in pack.workflow.teams))

    async def _on_reload(self) -> None:
        await self.broker.connect(self.teams)

    def _lame_parts(self) -> dict[str, str]:
        """The parts that are degraded, without which the process still works."""
        parts = {"listen": self._listener.trouble or "ok"} if self._listener else {}
        for channel, route in self.routes.items():
            alone = [p.name for p in route.providers if route.is_left_alone(p)]
            parts |= {f"provider.{channel}.{name}": "left alone for now" for name in alone}
        for refusal in self.health.known():
            parts[f"provider.{refusal.channel}.{refusal.provider}"] = refusal.in_words
        return parts

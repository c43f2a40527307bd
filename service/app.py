"""A process of the service: connects its parts, runs the loops of its roles, and shuts down in time."""

import asyncio
import contextlib
import time as wall
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

import structlog
from aiohttp import web

from service.attribute_index import AttributeIndex
from service.broker.port import DEAD, ESCALATIONS, intake_queue
from service.clock.clock import ClockLoop
from service.clock.greeter import Greeter
from service.dispatch.cleaner import Cleaner
from service.dispatch.health import ProviderHealth
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.price_reader import PriceReader
from service.dispatch.unknown_messages import UnknownResolver
from service.dispatch.worker import Worker
from service.editing.changing import Editor
from service.editing.publishing import Publisher
from service.intake import partitions
from service.intake.group_commit import GroupCommit
from service.intake.sightings import Sightings
from service.intake.waiting import WaitingEvents
from service.key_watch import KeyWatch
from service.ledger.database.availability import when_available
from service.ledger.database.schema import migrate
from service.ledger.escalations.writing import TEAMS
from service.parts import Parts
from service.providers import build_routes, report_mail_sender
from service.relay.mail import MailTransport
from service.relay.relay import Relay
from service.relay.teams import TeamTransport, unheard
from service.report_mail import MAIL
from service.runtime.memory import settle
from service.runtime.supervision import closed_within
from service.starting import (
    FIRST_CONNECT_S,
    check_team_addresses,
    connect_broker,
    not_listening,
)
from service.takeover import Takeover
from service.telemetry import metrics
from service.timekeeping import SteadyTime
from service.web import app as web_app
from service.web.auditor import Auditor
from service.web.broadcast import Broadcaster
from service.web.context import Context
from service.web.limits import RateLimits as HttpLimits
from service.web.server import Runner
from service.web.session import Sessions
from service.webhooks import WebhookClient

log = structlog.get_logger(__name__)

# With the parts' own seconds in `close`, 20 s in all.
STOP_WITHIN_S: Final = 9.0
ALIGN_EVERY_S: Final = 15.0
# To compile all templates takes seconds; a code that comes meanwhile meets few of these turns, each of some 10 ms.
WARM_PAUSES: Final = 4


class App(Parts):
    """A process of the service with the roles it was given."""

    async def start(self) -> None:
        """Connect, migrate the schema, start the loops; raises what makes starting impossible."""
        began = wall.monotonic()
        await self._connect()
        self._run_roles()
        self._run_in_background()
        await self._serve()
        await self._take_mail()
        self.supervisor.background("warm", self._warm())
        settle()
        log.info("process.started", roles=self.roles, port=self.port, took_s=round(wall.monotonic() - began, 3))

    async def _connect(self) -> None:
        """Connect to the database and the broker, and load the ledger's state for this process."""
        for odd in unheard((p.workflow for p in self.packs), self.settings.team_urls):
            log.warning("team.addresses_incomplete", problem=odd)
        if "relay" in self.roles:
            await asyncio.to_thread(check_team_addresses, self.settings.team_endpoints())
        await when_available(self.ledger, lambda: migrate(self.ledger), FIRST_CONNECT_S)
        self._start_listening()
        async with self.ledger.transaction() as tx:
            await self.ledger.liveness.take_lock(tx)
        await self._align()
        self.routes = build_routes(
            self.settings,
            self.ledger.keyring,
            self.time,
            self.supervisor.closers,
            self.health,
            captured=self._captured,
        )
        await when_available(self.ledger, self.reloader.begin, FIRST_CONNECT_S)
        await when_available(self.ledger, self.orders.adopt_packs, FIRST_CONNECT_S)
        await when_available(self.ledger, self.holds.refresh, FIRST_CONNECT_S)
        await connect_broker(self.broker, self.teams)

    def _run_roles(self) -> None:
        """Start the loops of the roles; the process ends when one of them does."""
        loops: dict[str, list[Coroutine[Any, Any, None]]] = {
            "intake": [self._intake_loop(), self._waiting_events()] if "intake" in self.roles else [],
            "dispatch": self._dispatch_loops() if "dispatch" in self.roles else [],
            "clock": self._clock_loops() if "clock" in self.roles else [],
            "relay": [self._relay().run(self.stopping)] if "relay" in self.roles else [],
        }
        for role, coroutines in loops.items():
            for coroutine in coroutines:
                self.supervisor.loop(role, coroutine)

    def _run_in_background(self) -> None:
        """Start the tasks that every process has, whatever its roles."""
        background = self.supervisor.background
        background("align", self._keep_aligned())
        watch = KeyWatch(self.ledger, reseals="clock" in self.roles)
        self.supervisor.closers += [watch.close, self.attachments.close]
        background("keys", watch.run())
        background("takeover", Takeover(self.orders, self.routes).run())
        if "clock" in self.roles:
            background("attachments", self.attachments.run())
            background("attributes", AttributeIndex(self.ledger, self.packs).run())
        if "dispatch" not in self.roles:
            background("providers", self.health.run(self.stopping))
        background("reload", self.reloader.run())
        background("words", self.reloader.follow_words(self.stopping))

    def _start_listening(self) -> None:
        if self._listener is not None:
            self.supervisor.background("listen", self._listener.run())

    def _intake_loop(self) -> Coroutine[Any, Any, None]:
        sightings = Sightings(self.orders, self.settings.intake_partitions)
        return partitions.run(self.broker, self.intake, self.stopping, sightings)

    def _waiting_events(self) -> Coroutine[Any, Any, None]:
        return WaitingEvents(self.orders, self.intake).run(self.stopping)

    def _clock(self) -> ClockLoop:
        days = (self.settings.retention_days, self.settings.audit_days)
        retention, audit = (timedelta(days=n) if n else None for n in days)
        return ClockLoop(self.orders, retention, audit, self.settings.public_url)

    def _clock_loops(self) -> list[Coroutine[Any, Any, None]]:
        return [self._clock().run(self.stopping), Greeter(self.orders).run(self.stopping)]

    async def _warm(self) -> None:
        """Compile templates that no check has compiled, so that the first message is not slow."""
        for templates in [pack.templates for pack in self.packs]:
            for name in templates.unprepared():
                began = wall.monotonic()
                templates.prepare(name)
                await asyncio.sleep(WARM_PAUSES * (wall.monotonic() - began))

    def _relay(self) -> Relay:
        keyring = self.ledger.keyring
        webhooks = WebhookClient(keyring, self.settings.provider_timeout, self.settings.webhook_allow)
        self.supervisor.closers.append(webhooks.close)
        teams = TeamTransport(self.settings.team_endpoints(), webhooks, self.settings.public_url, self.time)
        mail = MailTransport(keyring, report_mail_sender(self.routes["email"]))
        return Relay(self.orders, self.broker, {TEAMS: teams, MAIL: mail})

    async def _align(self) -> None:
        if isinstance(self.time, SteadyTime):
            self.time.align(await self.ledger.now())

    async def _keep_aligned(self) -> None:
        """The database's clock is authoritative; between two reads of it, the monotonic clock counts."""
        while True:
            await asyncio.sleep(ALIGN_EVERY_S)
            with contextlib.suppress(Exception):
                await self._align()
            with contextlib.suppress(Exception):
                for queue in map(intake_queue, range(self.settings.intake_partitions)):
                    metrics.queue_depth.labels(queue).set(await self.broker.depth(queue))
            with contextlib.suppress(Exception):
                # One that somebody deleted is missed here, and made again by the next look or publish.
                for queue in (DEAD, *(f"{ESCALATIONS}.{team}" for team in self.teams)):
                    await self.broker.depth(queue)

    def _dispatch_loops(self) -> list[Coroutine[Any, Any, None]]:
        outcomes = OutcomeWriter(self.settler)
        self.supervisor.background("outcomes", outcomes.run())
        routes = self.routes.values()
        workers = [
            Worker(self.orders, route, self.composer, outcomes, self.limits, self.holds, self.templates)
            for route in routes
        ]
        self._straight.use(workers)
        resolver = UnknownResolver(self.orders, self.routes, self.composer, outcomes)
        cleaner = Cleaner(self.orders, self.routes)
        priced = routes if self.settings.prices else ()
        prices = PriceReader(self.orders, (p for route in priced for p in route.providers))
        rest = (
            cleaner.run(self.stopping),
            *([prices.run(self.stopping)] if prices.has_anybody else ()),
            self.holds.run(self.stopping),
            self.templates.run(self.stopping),
            resolver.run(self.stopping),
            self._provider_health().run(self.stopping),
        )
        return [*(w.run(self.stopping) for w in workers), *rest]

    def _provider_health(self) -> ProviderHealth:
        used = {channel: frozenset(p.name for p in route.providers) for channel, route in self.routes.items()}
        self.health.follow(used, lambda key: self.routes[key[0]].ask_now(key[1], key[2]))
        return self.health

    async def _serve(self) -> None:
        context = Context(
            settings=self.settings,
            orders=self.orders,
            intake=GroupCommit(self.intake) if self.ledger.is_sqlite else self.intake,
            settler=self.settler,
            composer=self.composer,
            broker=self.broker,
            routes=self.routes,
            readiness=self.watch.look,
            stream=self._broadcaster(),
            limits=HttpLimits(
                self.settings.calls_per_minute, self.settings.failures_per_minute, self.settings.streams_per_key
            ),
            sessions=Sessions(self.ledger.keyring),
            auditor=Auditor(self.ledger, self.time),
            templates=self.templates,
            attachments=self.attachments,
            words=self.words,
            editor=Editor(self.orders, Publisher(self.orders, self.settings.words, self.reloader.reload)),
            counted=self.counted,
            open_to=self._open_to,
        )
        has_web = "web" in self.roles
        self._runner = Runner(web_app.build(context, everything=has_web))
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self.settings.http_host, self.settings.http_port)
            await site.start()
        except OSError as error:
            if has_web:
                place = f"{self.settings.http_host}:{self.settings.http_port}"
                raise not_listening("STAGEBELL_HTTP_PORT", place, error) from error
            log.warning("health.port_unavailable", port=self.settings.http_port, error=error.strerror)
            return
        self.port = addresses[0][1] if (addresses := self._runner.addresses) else self.settings.http_port

    async def _take_mail(self) -> None:
        """Listen for bounces, complaints and replies, where a port is configured."""
        if not self.settings.mail_in or "web" not in self.roles:
            return
        from service.mail_in import server as mail_in  # loaded only for those who take mail
        from service.mail_in.postbox import Postbox

        postbox = Postbox(self.orders, self.settler, self.routes, self.settings.mail_domain)
        try:
            self.supervisor.closers.append(await mail_in.serve(self.settings.mail_in, postbox))
        except OSError as error:
            raise not_listening("STAGEBELL_MAIL_IN", self.settings.mail_in, error) from error

    def _broadcaster(self) -> Broadcaster:
        broadcaster = Broadcaster(self.orders)
        if "web" in self.roles:
            self.supervisor.background("stream", broadcaster.run())
            self.supervisor.background("listeners", broadcaster.look_after())
            self.supervisor.closers.append(self.counted.close)
            self.supervisor.background("counts", self.counted.run())
        return broadcaster

    def leave(self) -> None:
        """Drain: report it at `/readyz`, serve for DRAIN_S more seconds, then stop; a second call stops at once."""
        if self.watch.draining or not self.settings.drain_s:
            self.stopping.set()
        else:
            log.info("process.draining", for_s=self.settings.drain_s)
            asyncio.get_running_loop().call_later(self.settings.drain_s, self.stopping.set)
        self.watch.draining = True

    async def run(self) -> None:
        """Run until `stopping` is set, or a loop ends by itself; raises what ended it."""
        await self.supervisor.until(self.stopping)

    async def close(self) -> None:
        """Finish or release what is held, within 20 s."""
        self.watch.draining = True
        self.stopping.set()
        self.wakeups.wake_all()
        await self.supervisor.end_loops(STOP_WITHIN_S)
        if self._runner is not None:
            await closed_within("http", self._runner.cleanup(), 2.0)
        await closed_within("parts", self.supervisor.close_parts(), 2.0)
        await closed_within("broker", self.broker.close(), 1.0)
        await closed_within("database", self.ledger.close(), 1.0)
        log.info("process.stopped")

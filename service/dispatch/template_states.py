"""The approval states of the WhatsApp templates that packs use, looked up regularly."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from service.channels.twilio.approval import Approval
from service.channels.twilio.settings import TwilioAccount
from service.orders import Orders
from service.runtime.loops import run_loop

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(minutes=10)


class TemplateStates:
    """What is known of templates in this process. Of what is not known nothing is held against a template."""

    def __init__(self, orders: Orders, accounts: Sequence[TwilioAccount]) -> None:
        self._orders = orders
        self._accounts = [a for a in accounts if a.whatsapp_from]
        self._known: dict[str, list[Approval]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Look every ten minutes until `stopping`."""
        await run_loop("templates", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        await self.refresh()
        await self._orders.time.wait(stopping, self._orders.time.now() + EVERY)

    async def refresh(self) -> None:
        """Ask each account for each template that the packs name."""
        sids = sorted(
            {c.sid for p in self._orders.packs for n in p.workflow.notices.values() for c in n.content.values()}
        )
        found: dict[str, list[Approval]] = {sid: [] for sid in sids}
        for account in self._accounts if sids else ():
            from service.channels.twilio.approvals import approvals  # loaded only where it is used: it takes its time

            for approval in await approvals(account, sids):
                found[approval.sid].append(approval)
        for sid in sids:
            if self._is_bad(found[sid]) and not self.is_bad(sid):
                log.warning("template.not_approved", sid=sid, status=found[sid][0].status, why=found[sid][0].why)
        self._known = found

    @property
    def known(self) -> list[Approval]:
        """Each template as each account has it."""
        return [a for found in self._known.values() for a in found]

    def is_bad(self, sid: str) -> bool:
        """Whether every account that answered said that nothing may be sent by it."""
        return self._is_bad(self._known.get(sid, ()))

    @staticmethod
    def _is_bad(found: Sequence[Approval]) -> bool:
        known = [a for a in found if a.status != "unknown"]
        return bool(known) and not any(a.is_good for a in known)

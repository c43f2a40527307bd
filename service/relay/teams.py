"""Calls to teams where they work: Apprise for chat, mail and pagers, signed webhooks for machines."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from service.ledger.outbox import Outgoing
from service.webhooks import NOT_ALLOWED, WebhookClient

log = structlog.get_logger(__name__)
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it prints addresses with their tokens
TIMEOUT_S: Final = 30.0
WEBHOOK: Final = "webhook+"
_TYPES: Final = {"critical": "failure", "high": "failure"}


class TeamTransport:
    """One message to one of a team's ways; the routing key is `<team>.<way>`."""

    def __init__(self, urls: Mapping[str, Sequence[str]], webhooks: WebhookClient, desk: str) -> None:
        self._urls = urls
        self._webhooks = webhooks
        self._desk = desk

    async def send(self, message: Outgoing) -> bool:
        """Whether the team's way took it; a way that is not configured any more counts as taken."""
        team, _, way = message.routing_key.rpartition(".")
        ways = self._urls.get(team, ())
        if int(way) >= len(ways):
            return True
        url = ways[int(way)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._send(url, message)
        except (TimeoutError, OSError) as error:
            log.warning("team.not_reached", team=team, way=way, error=type(error).__name__)
            return False

    async def _send(self, url: str, message: Outgoing) -> bool:
        if url.startswith(WEBHOOK):
            text = message.body.decode()
            posted = await self._webhooks.post(url.removeprefix(WEBHOOK), message.message_id, text, datetime.now(UTC))
            if posted.code == NOT_ALLOWED:
                hint = "its network must be named in STAGEBELL_WEBHOOK_ALLOW"
                log.error("team.webhook_not_allowed", team=message.routing_key, hint=hint)
            return posted.outcome == "taken"
        import apprise  # a hundred plugins: loaded when the first call goes out that way

        body = msgspec.json.decode(message.body)
        caller = apprise.Apprise()
        if not caller.add(url):
            log.error("team.bad_url", team=message.routing_key)
            return True
        title, text = in_words(body, self._desk)
        kind = apprise.NotifyType(_TYPES.get(body["data"].get("severity", ""), "info"))
        return bool(await caller.async_notify(body=text, title=title, notify_type=kind))


def in_words(body: Mapping[str, Any], desk: str) -> tuple[str, str]:
    """Title and text of an escalation or a digest, for people."""
    data = body["data"]
    if "text" in data:
        return str(data["title"]), str(data["text"])
    step = str(body["type"]).partition(".")[2]
    reason = str(data["reason"]).replace("_", " ")
    if data.get("incident"):
        return f"{step}: {reason}, {data['open_orders']} orders", f"{data['open_orders']} orders: {desk}/desk"
    level = f", level {data['level']}" if data.get("level") else ""
    title = f"{step}: {reason} ({data['severity']}{level})"
    return title, f"Order {data['order_id']}: {desk}/desk/orders/{data['workflow']}/{data['order_id']}"

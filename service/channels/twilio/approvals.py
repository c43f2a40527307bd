"""Reads from Twilio's Content API whether Meta has approved the WhatsApp templates that packs name.

Source: Twilio, Content API, "Fetch template approval status" (`GET /v1/Content/{sid}/ApprovalRequests`).
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import ClientError
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from service.channels.http_answers import HttpRefusal
from service.channels.twilio.approval import Approval
from service.channels.twilio.settings import TwilioAccount
from service.channels.twilio.transport import TwilioHttp

TIMEOUT_S: Final = 10.0
TWILIO: Final = "https://api.twilio.com"
AT_ONCE: Final = 5


async def approvals(account: TwilioAccount, sids: Iterable[str]) -> list[Approval]:
    """The status of each of these templates, in sequence; `unknown`, with the reason, if it could not be read."""
    http = TwilioHttp(AT_ONCE, TIMEOUT_S)
    client = Client(account.account_sid, account.auth_token.get_secret_value(), http_client=http)
    if account.base_url != TWILIO:
        client.content.base_url = account.base_url
    try:
        return [await _approval(client, sid) for sid in sids]
    finally:
        await http.close()


async def _approval(client: Client, sid: str) -> Approval:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await client.content.v1.contents(sid).approval_fetch().fetch_async()
    except HttpRefusal as no:
        message = str(no.json.get("message") or "").strip() if no.json else ""
        return Approval(sid, "unknown", f"HTTP {no.status}{': ' if message else ''}{message[:200]}")
    except (
        TwilioException,
        ClientError,
        OSError,
        TimeoutError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        return Approval(sid, "unknown", type(error).__name__)
    whatsapp = found.whatsapp or {}
    status = str(whatsapp.get("status") or "unsubmitted").lower()
    return Approval(sid, status[:40], str(whatsapp.get("rejection_reason") or "")[:200])

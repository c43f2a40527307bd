"""Builds from the settings: where files are kept, providers, a route for each channel, the sender of report mails."""

import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from service.attachments.s3 import Credentials, S3Store
from service.attachments.store import AttachmentStore
from service.channels import registry
from service.channels.capture import CaptureProvider
from service.channels.channel import Surroundings
from service.channels.medium import Rendered
from service.channels.port import Attachment, OutgoingMessage
from service.dispatch.health import Health
from service.dispatch.route import ChannelRoute
from service.domain.notices import Accepted, Permanent
from service.keyring import Keyring
from service.orders import Orders
from service.report_mail import MAIL, ReportMail
from service.s3_address import bucket_of
from service.settings import Settings, SettingsError
from service.telemetry import metrics
from service.timekeeping import TimeSource
from service.webhooks import WebhookClient

log = structlog.get_logger(__name__)
Closers = list[Callable[[], Coroutine[Any, Any, None]]]


def attachments_of(settings: Settings, orders: Orders) -> AttachmentStore:
    """Where files are kept, as the settings say; raises SettingsError without an access key for an S3 store."""
    if settings.attachments == "ledger":
        return AttachmentStore(orders)
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not key_id or not secret:
        raise SettingsError("STAGEBELL_ATTACHMENTS: an S3 store needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    credentials = Credentials(key_id, secret, os.environ.get("AWS_SESSION_TOKEN", ""))
    return AttachmentStore(orders, S3Store(bucket_of(settings.attachments), credentials))


def build_routes(
    settings: Settings,
    keyring: Keyring,
    time: TimeSource,
    closers: Closers,
    health: Health | None = None,
    *,
    captured: bool = False,
) -> dict[str, ChannelRoute]:
    """A route for each channel; one without credentials is captured, and a line says what it needs.

    `captured`: all channels are captured, whatever the settings.
    """
    webhooks = WebhookClient(keyring, settings.provider_timeout, settings.webhook_allow)
    around = Surroundings(settings.provider_timeout, settings.concurrent_sends, webhooks, closers)
    routes: dict[str, ChannelRoute] = {}
    for name, channel in registry.channels().items():
        own = settings.of(channel)
        found = channel.providers(own, around) if not captured and channel.is_ready(own) else []
        if not found and not captured:
            log.warning("channel.captured", channel=name, sent="nowhere", to_send_set=channel.needs)
        routes[name] = ChannelRoute(
            name,
            found or [CaptureProvider()],
            time,
            concurrent=settings.concurrent_sends,
            per_second=settings.sends_per_second,
            timeout_s=settings.provider_timeout,
            health=health,
        )
        closers.append(routes[name].close)
    return routes


def report_mail_sender(route: ChannelRoute) -> Callable[[ReportMail, str], Awaitable[bool]] | None:
    """Sends report mails the way that mail to customers goes; None where mail is not configured.

    So a relay that refuses us is left alone, and told of, whoever meets it first.
    """
    if any(isinstance(p, CaptureProvider) for p in route.providers):
        return None

    async def post(mail: ReportMail, message_id: str) -> bool:
        """Whether there is nothing left to do: it was taken, or its reader does not get mail by any relay."""
        message = OutgoingMessage(
            message_id=message_id,
            address=mail.address,
            rendered=Rendered(text=mail.text, title=mail.subject),
            ttl_s=0,
            callback_url="",
            attachment=Attachment(mail.file_name, mail.file) if mail.file_name else None,
        )
        answer, _ = await route.send(message)
        if isinstance(answer, Accepted):
            return True
        is_over = isinstance(answer, Permanent) and answer.kind != "unable"
        details = {"message_id": message_id, "provider": answer.provider, "why": answer.error}
        if is_over:
            log.error("report.refused", **details)
            metrics.relay_given_up.labels(MAIL).inc()
        else:
            log.warning("report.send_failed", **details)
        return is_over

    return post

"""Builds from the settings: keys, ledger, providers, a route for each channel, the sender of report mails."""

import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

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
from service.ledger.database.engine import Ledger
from service.orders import Orders
from service.report_mail import MAIL, ReportMail
from service.s3_address import bucket_of
from service.settings import Settings, SettingsError
from service.telemetry import metrics
from service.timekeeping import TimeSource
from service.webhooks import WebhookClient

log = structlog.get_logger(__name__)
KEY_FILE: Final = Path("stagebell.key")
Closers = list[Callable[[], Coroutine[Any, Any, None]]]


def keyring_of(settings: Settings) -> Keyring:
    """The installation's keys; without SECRET_KEY, a key file is made and kept for SQLite. Raises SettingsError."""
    given, previous = settings.secret_key.get_secret_value(), settings.secret_key_previous.get_secret_value()
    if given:
        return Keyring(given, previous)
    if previous:
        raise SettingsError("STAGEBELL_SECRET_KEY_PREVIOUS is set and STAGEBELL_SECRET_KEY is not: set the new one too")
    if not settings.database_url.startswith("sqlite"):
        kept = f"; the one used so far is in {KEY_FILE.absolute()}" if KEY_FILE.exists() else ""
        raise SettingsError(
            "STAGEBELL_SECRET_KEY: must be set with PostgreSQL, the same for every process. Make one with"
            f" `openssl rand -base64 48` and keep it: without it the stored data cannot be read{kept}"
        )
    with contextlib.suppress(FileExistsError), open(KEY_FILE, "x", encoding="utf-8", opener=_private) as file:
        file.write(secrets.token_urlsafe(48))
    log.warning(
        "settings.secret_key_missing",
        hint=f"STAGEBELL_SECRET_KEY is not set; {KEY_FILE} is used. Set it before there is a second machine.",
    )
    return Keyring(KEY_FILE.read_text(encoding="utf-8").strip())


def ledger_of(settings: Settings, *, read_only: bool = False) -> Ledger:
    """The database that the settings name; nothing is connected yet. `read_only`: it refuses every write by this."""
    return Ledger(
        settings.database_url,
        keyring_of(settings),
        direct_url=settings.database_listen_url,
        sqlite_synchronous=settings.sqlite_synchronous,
        read_only=read_only,
    )


def attachments_of(settings: Settings, orders: Orders) -> AttachmentStore:
    """Where files are kept, as the settings say; raises SettingsError without an access key for an S3 store."""
    if settings.attachments == "ledger":
        return AttachmentStore(orders)
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not key_id or not secret:
        raise SettingsError("STAGEBELL_ATTACHMENTS: an S3 store needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    credentials = Credentials(key_id, secret, os.environ.get("AWS_SESSION_TOKEN", ""))
    return AttachmentStore(orders, S3Store(bucket_of(settings.attachments), credentials))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


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

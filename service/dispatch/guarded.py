"""Calls a provider for one message so that there is always a result, in time."""

import asyncio
import hashlib
import traceback
from typing import Final

import structlog

from service.channels.port import OutgoingMessage, Provider, SendResult
from service.domain.notices import NoAnswer
from service.telemetry import metrics

log = structlog.get_logger(__name__)
_logged: Final[set[str]] = set()


async def send_within(channel: str, provider: Provider, message: OutgoingMessage, within_s: float) -> SendResult:
    """The provider's answer, `NoAnswer` after `within_s` seconds or where it raises.

    In a task of its own, which is abandoned after that time: code that ignores cancellation blocks nobody.
    """
    task = asyncio.create_task(provider.send(message))
    try:
        await asyncio.wait((task,), timeout=max(0.0, within_s))
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        return NoAnswer(provider.name, f"no answer within {within_s:.0f} s")
    if task.cancelled():
        return NoAnswer(provider.name, "the send was broken off")
    error = task.exception()
    if error is None:
        return task.result()
    log_unexpected(channel, provider.name, error)
    return NoAnswer(provider.name, f"unexpected: {type(error).__name__}")


def _forget(task: "asyncio.Task[SendResult]") -> None:
    """Its result comes too late, and so does what it raises."""
    if not task.cancelled():
        task.exception()


def log_unexpected(channel: str, provider: str, error: BaseException) -> None:
    """Count an exception that no provider should raise, and log each kind once; its words may hold addresses."""
    metrics.provider_errors.labels(channel, provider).inc()
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames]
    kind = type(error).__name__
    fingerprint = hashlib.sha256("\n".join([channel, provider, kind, *places]).encode()).hexdigest()[:12]
    if fingerprint not in _logged:
        _logged.add(fingerprint)
        log.error(
            "provider.unexpected",
            channel=channel,
            provider=provider,
            error=kind,
            at=places[-6:],
            fingerprint=fingerprint,
        )

"""`stagebell publish`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import typer

from service import settings as settings_module
from service.broker.port import ORDERS, SUBJECT_HEADERS, BrokerMessage
from service.broker.rabbitmq import RabbitBroker
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.settings import SettingsError

AT_ONCE = 500


async def publish_file(name: str) -> int:
    """Publish each line; lines that are not events are reported and skipped. The exit code."""
    settings = settings_module.load()
    if settings.broker_url.startswith("memory"):
        raise SettingsError(
            "STAGEBELL_BROKER_URL: memory:// lives inside the service; publish with POST /v1/events, or set amqp://..."
        )
    try:
        text = _read(name)
    except OSError as error:
        typer.echo(f"{name}: {error}", err=True)
        return 1
    except UnicodeDecodeError as error:
        typer.echo(f"{name}: events are written in UTF-8, and byte {error.start} is not", err=True)
        return 1
    messages, wrong = _messages(name, text)
    broker = RabbitBroker(settings.broker_url, settings.intake_partitions)
    await broker.connect(())
    published = await _in_order(broker, messages)
    await broker.close()
    typer.echo(f"{published} published, {wrong} not events, {len(messages) - published} not published")
    if published < len(messages):
        first = messages[published].message_id
        typer.echo(f"stopped at the event with id {first!r}: the broker did not confirm it", err=True)
    return 1 if wrong or published < len(messages) else 0


async def _in_order(broker: RabbitBroker, messages: Sequence[BrokerMessage]) -> int:
    """Publish in the file's order, stopping at the first unconfirmed message; returns how many were confirmed.

    Messages with one routing key are sent together, in order; those with another key wait for their confirms.
    """
    published = 0
    for _, run in groupby(messages, key=lambda message: message.routing_key):
        for part in batched(run, AT_ONCE):
            confirmed = await broker.publish(part)
            if False in confirmed:
                return published + confirmed.index(False)
            published += len(confirmed)
    return published


def batched(messages: Iterable[BrokerMessage], size: int) -> Iterator[list[BrokerMessage]]:
    """Split into batches of at most that many."""
    left = iter(messages)
    while part := list(islice(left, size)):
        yield part


def _read(name: str) -> str:
    """The text as UTF-8, whatever the terminal's encoding is, without a byte order mark."""
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _messages(name: str, text: str) -> tuple[list[BrokerMessage], int]:
    """The events, and how many lines were not events."""
    messages, wrong = [], 0
    # Not splitlines: a text may contain a Unicode line separator.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            event = decode(line.encode())
        except Rejection as rejection:
            typer.echo(f"{name}:{number}: {rejection.reason}", err=True)
            wrong += 1
            continue
        subject = {SUBJECT_HEADERS[0]: event.reference}
        messages.append(
            BrokerMessage(ORDERS, event.type, line.encode(), event.id, "application/cloudevents+json", subject)
        )
    return messages, wrong

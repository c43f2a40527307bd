"""`stagebell publish`."""

import sys
from pathlib import Path

import typer

from service import settings as settings_module
from service.broker.port import ORDERS, Message
from service.broker.rabbitmq import RabbitBroker
from service.domain.errors import Rejection
from service.domain.events import decode
from service.settings import SettingsError

AT_ONCE = 500


async def publish_file(name: str) -> int:
    """Publish each line; lines that are no events are named and left out. The exit code."""
    settings = settings_module.load()
    if settings.broker_url.startswith("memory"):
        raise SettingsError(
            "STAGEBELL_BROKER_URL: memory:// lives inside the service; publish with POST /v1/events, or set amqp://..."
        )
    try:
        text = _read(name)
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{name}: {error}", err=True)
        return 1
    messages, wrong = _messages(name, text)
    broker = RabbitBroker(settings.broker_url)
    await broker.connect(())
    confirmed: list[bool] = []
    for start in range(0, len(messages), AT_ONCE):
        confirmed += await broker.publish(messages[start : start + AT_ONCE])
    await broker.close()
    lost = confirmed.count(False)
    typer.echo(f"{confirmed.count(True)} published, {wrong} not events, {lost} not confirmed")
    return 1 if wrong or lost else 0


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def _messages(name: str, text: str) -> tuple[list[Message], int]:
    """The events, and how many lines were none."""
    messages, wrong = [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            event = decode(line.encode())
        except Rejection as rejection:
            typer.echo(f"{name}:{number}: {rejection.reason}", err=True)
            wrong += 1
            continue
        messages.append(Message(ORDERS, event.type, line.encode(), event.id, "application/cloudevents+json"))
    return messages, wrong

"""`stagebell dead`: look at, replay and drop dead letters in the broker's queue."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from service import settings as settings_module
from service.broker.port import BrokerLost
from service.broker.rabbitmq import RabbitBroker
from service.cli.auditing import keep
from service.cli.running import open_ledger
from service.cli.shown import add_row, plain
from service.intake.dead_letters import DeadLetter, DeadLetters
from service.settings import SettingsError

MOST = 100_000


@asynccontextmanager
async def _letters(act: str, **detail: Any) -> AsyncIterator[DeadLetters]:
    """The queue, after an audit line says that it is read or changed."""
    settings = settings_module.load()
    if settings.broker_url.startswith("memory"):
        raise SettingsError(
            "STAGEBELL_BROKER_URL: memory:// keeps its dead letters inside the running service; set amqp://..."
        )
    broker = RabbitBroker(settings.broker_url, settings.intake_partitions)
    await broker.connect(())
    try:
        # The ledger knows the key with which dead letters are sealed.
        async with open_ledger(settings) as ledger:
            async with ledger.transaction() as tx:
                await keep(tx, act, **detail)
            yield DeadLetters(broker, ledger.keyring)
    finally:
        await broker.close()


async def show_list(limit: int) -> None:
    """Print a line for each."""
    async with _letters("dead_letters.listed") as letters:
        count = await letters.count()
        found = await letters.inspect(limit)
    table = Table("#", "when", "type", "order", "reason", box=None)
    for letter in found:
        add_row(table, str(letter.number), letter.at, letter.type, letter.order_id, letter.reason)
    Console(highlight=False).print(table if found else "No dead letters.")
    if count > len(found):
        typer.echo(f"{count - len(found)} more; --limit {count} shows them all", err=True)


async def show_one(number: int) -> int:
    """Print the whole dead letter, unsealed."""
    async with _letters("dead_letter.seen", number=number) as letters:
        letter = _pick(await letters.inspect(number), number)
    if letter is None:
        return 1
    typer.echo(plain(f"reason: {letter.reason}\nat: {letter.at}\nrouting key: {letter.routing_key}"))
    message = letter.opened
    if message.content_type or message.content_encoding:
        typer.echo(plain(f"content type: {message.content_type or ''} {message.content_encoding or ''}".rstrip()))
    for name, value in message.headers.items():
        typer.echo(plain(f"{name}: {value}"))
    typer.echo("")
    typer.echo(plain(message.body.decode("utf-8", "backslashreplace")))
    return 0


def _pick(found: Sequence[DeadLetter], number: int) -> DeadLetter | None:
    for letter in found:
        if letter.number == number:
            return letter
    typer.echo(f"there is no dead letter {number}", err=True)
    return None


async def replay(numbers: Sequence[int], *, everything: bool) -> int:
    """Publish dead letters to the orders exchange again; the exit code."""
    if not _is_one_selection(numbers, everything):
        return 1
    async with _letters("dead_letter.replay", numbers=_named(numbers)) as letters:
        act = letters.replay_all(MOST) if everything else letters.replay(set(numbers), max(numbers))
        return await _done("replayed", act, numbers)


async def drop(numbers: Sequence[int], *, everything: bool) -> int:
    """Delete dead letters; the exit code."""
    if not _is_one_selection(numbers, everything):
        return 1
    async with _letters("dead_letter.drop", numbers=_named(numbers)) as letters:
        act = letters.drop_all(MOST) if everything else letters.drop(set(numbers), max(numbers))
        return await _done("dropped", act, numbers)


def _is_one_selection(numbers: Sequence[int], everything: bool) -> bool:
    """Whether exactly one way of selecting dead letters is used."""
    if bool(numbers) != everything and all(n >= 1 for n in numbers):
        return True
    typer.echo("name the letters by their numbers in `dead list`, or say --all", err=True)
    return False


def _named(numbers: Sequence[int]) -> list[int] | str:
    return sorted(set(numbers)) or "all"


async def _done(done: str, act: Awaitable[int], numbers: Sequence[int]) -> int:
    """Do it, and print how many were affected; the exit code: 1 when some of the numbers did not exist."""
    try:
        count = await act
    except BrokerLost as lost:
        typer.echo(f"stopped: {lost}", err=True)
        return 1
    typer.echo(f"{count} {done}")
    if missing := max(0, len(set(numbers)) - count):
        typer.echo(f"{missing} of these numbers are not in the queue; see `stagebell dead list`", err=True)
        return 1
    return 0

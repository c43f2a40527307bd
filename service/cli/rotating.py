"""`stagebell keys rotate`: re-encrypt everything with the current SECRET_KEY, while the service runs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import typer

from service.cli.auditing import keep
from service.cli.running import open_ledger
from service.ledger.database.engine import Ledger
from service.ledger.sealing import processes as key_processes
from service.ledger.sealing.processes import Process
from service.ledger.sealing.resealing import reseal
from service.ledger.sealing.state import UNBOUND, KeyState, apply_state, begin_bound, begin_key, settle

# By then a process that crashed is no longer counted.
PATIENCE_S: Final = key_processes.FORGOTTEN_AFTER.total_seconds() + 15
LOOK_EVERY_S: Final = 1.0
MAY_GO: Final = "STAGEBELL_SECRET_KEY_PREVIOUS may go"


async def rotate_keys(*, alone: bool = False) -> int:
    """Reseal whatever is not sealed with SECRET_KEY; the exit code. It can be interrupted and run again.

    `alone`: the caller states that no older release runs, whatever the database's connections look like.
    """
    async with open_ledger() as ledger:
        state = await _state(ledger)
        keyring = ledger.keyring
        if state.is_settled and state.fingerprint == keyring.newest:
            typer.echo(f"Everything is sealed with STAGEBELL_SECRET_KEY. {MAY_GO}, if it is set.")
            typer.echo("To change the key: set the new one as STAGEBELL_SECRET_KEY and the one so far as")
            typer.echo("STAGEBELL_SECRET_KEY_PREVIOUS for every process, restart them, then run this again.")
            return 0
        if state.form == UNBOUND and not await _begin_bound(ledger, alone=alone):
            return 1
        if state.fingerprint != keyring.newest:
            if not await _wait_for(ledger, "know", "the new key", lambda p: keyring.newest in p.knows):
                return 1
            async with ledger.transaction() as tx:
                await begin_key(tx)
                await keep(tx, "key.rotation_begun")
        state = await _state(ledger)
        if not await _wait_for(ledger, "seal with", "the new key yet", lambda p: p.does(state)):
            return 1
        return await _reseal(ledger, state)


async def _state(ledger: Ledger) -> KeyState:
    async with ledger.reading() as tx:
        return await apply_state(tx)


async def _begin_bound(ledger: Ledger, *, alone: bool) -> bool:
    async with ledger.reading() as tx:
        older = await key_processes.older_releases(tx)
    if older and not alone:
        typer.echo(
            f"{older} connections have no name, as those of an older release, which could not read what is sealed now:"
            " stop it first. If these are another program's, say --alone",
            err=True,
        )
        return False
    async with ledger.transaction() as tx:
        await begin_bound(tx)
    return True


async def _wait_for(ledger: Ledger, verb: str, what: str, is_ready: Callable[[Process], bool]) -> bool:
    """Whether all processes became ready in time."""
    is_shown = False
    for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
        waited_for = await _others(ledger, is_ready)
        if not waited_for:
            return True
        if not is_shown:
            typer.echo(f"waiting for {len(waited_for)} processes that do not {verb} {what} ...")
            is_shown = True
        await asyncio.sleep(LOOK_EVERY_S)
    typer.echo(
        f"{len(waited_for)} processes do not {verb} {what}: restart them with STAGEBELL_SECRET_KEY and"
        " STAGEBELL_SECRET_KEY_PREVIOUS, then run this again. Nothing is lost meanwhile.",
        err=True,
    )
    return False


async def _others(ledger: Ledger, is_ready: Callable[[Process], bool]) -> Sequence[Process]:
    now = await ledger.now()
    async with ledger.reading() as tx:
        return [p for p in await key_processes.running(tx, now) if not is_ready(p)]


async def _reseal(ledger: Ledger, state: KeyState) -> int:
    """Reseal in passes until one finds nothing more to do; then earlier keys are no longer needed."""
    total = 0
    while True:
        done = await reseal(ledger, lambda table, count: typer.echo(f"{table}: {count} resealed") if count else None)
        total += done.resealed
        if not (done.resealed or done.left):
            break
    async with ledger.transaction() as tx:
        state = await settle(tx, state)
    if not state.is_settled:
        typer.echo("the key was changed meanwhile; run this again", err=True)
        return 1
    unreadable = f" {done.unreadable} values open with neither key; the log names them." if done.unreadable else ""
    typer.echo(f"{total} rows resealed. Everything is sealed with STAGEBELL_SECRET_KEY; {MAY_GO}.{unreadable}")
    return 0

"""`stagebell index-attributes`: index orders that were written by another release, or with other packs."""

import typer

from service import settings as settings_module
from service.attribute_index import index_all
from service.cli.running import open_ledger
from service.ledger.orders.attributes import begin, is_indexed, rules_of
from service.starting import packs_in
from service.workflows.packs import Packs


async def index_anew() -> int:
    """Index every order by the packs of this machine; the exit code. It can be interrupted and run again."""
    settings = settings_module.load()
    packs = Packs(packs_in(settings.workflows))
    rules = rules_of(packs.workflows.values())
    async with open_ledger(settings) as ledger:
        async with ledger.transaction() as tx:
            await begin(tx, rules, anew=True)
        looked_into = await index_all(ledger, packs, rules)
        async with ledger.reading() as tx:
            if not await is_indexed(tx, rules):
                typer.echo(
                    "a process with other packs indexes again: give all the same packs, then run this again", err=True
                )
                return 1
    typer.echo(f"{looked_into} orders of workflows that show attributes were looked into here; all are found by them.")
    return 0

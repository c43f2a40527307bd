"""Loads earlier versions of packs from the ledger, for orders that use them."""

from collections.abc import Iterable

import structlog
from msgspec import structs

from service.ledger.database.transaction import Transaction
from service.ledger.orders import packs as pack_store
from service.workflows.pack_bundles import unbundle
from service.workflows.packs import Pack, PackError, Packs

log = structlog.get_logger(__name__)


async def recall(tx: Transaction, packs: Packs, versions: Iterable[tuple[str, str]]) -> None:
    """Load the packs of these (workflow, version) pairs, unless they are in memory."""
    for workflow, version in {v for v in versions if not packs.knows(*v)}:
        bundled = await pack_store.find(tx, workflow, version)
        pack = packs.get(workflow)
        try:
            pack = unbundle(bundled, version) if bundled else pack
        except PackError as error:
            log.error("pack.earlier_unusable", workflow=workflow, version=version, problems=len(error.problems))
        packs.remember(Pack(structs.replace(pack.workflow, version=version), pack.templates))

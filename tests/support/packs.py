"""The packs of the repository."""

from functools import lru_cache

from service.workflows import packs
from service.workflows.packs import Pack, Packs
from tests.support.world import ROOT


@lru_cache(maxsize=1)
def all_packs() -> Packs:
    """Every pack."""
    return packs.load(ROOT / "templates")


def device_pickup() -> Pack:
    """The main workflow."""
    return all_packs().get("device_pickup")

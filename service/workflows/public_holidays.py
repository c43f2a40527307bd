"""Public holidays of a country or region, from the `holidays` package, which is large and unloaded after use."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from threading import Lock
from typing import Final

from service.lazy_packages import load_lazily, unload

# `dateutil` is used by `holidays` only.
_PACKAGES: Final = ("holidays", "dateutil")
# Packs may be built in several threads.
_loading: Final = Lock()


@lru_cache(maxsize=256)
def public_holidays(country: str, region: str | None, years: Iterable[int]) -> tuple[date, ...]:
    """The holidays of a country (ISO 3166-1 alpha-2) or region; raises NotImplementedError if it is unknown.

    Loading the package takes 0.1 s, so call `done` once after the last place, not after each.
    """
    with _loading:
        load_lazily("holidays.countries")
        import holidays

        return tuple(holidays.country_holidays(country, subdiv=region, years=years))


def done() -> None:
    """Unload the package (7 MB) until it is needed again."""
    with _loading:
        unload(*_PACKAGES)

"""Prices of messages, by channel, destination country and segment; read from the file of setting PRICES.

    currency: USD
    sms: {IN: 0.0832, US: 0.0083, other: 0.06}     # each segment
    whatsapp: {IN: 0.0118, other: 0.03}
    email: 0.0004                                  # wherever it goes
    budgets: {day: 50, month: 1000}                # see docs/foresight.md

Prices are whoever keeps the file's: providers change theirs, and agree on others with each customer.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import phonenumbers
import yaml
from msgspec import Struct

from service.known_codes import is_currency

OTHER: Final = "other"
PERIODS: Final = ("day", "month")
_PLACES: Final = Decimal("0.0001")
# So many characters of a number say its country: a plus, the calling code, and the area code of +1 and +7.
_TELLING: Final = 8


class Cost(Struct, frozen=True):
    """An amount of money; `currency` by ISO 4217."""

    amount: str
    currency: str


class PricesError(Exception):
    """The file of prices has mistakes; the text says which, and where."""


class Prices(Struct, frozen=True):
    """What one segment (or one message, where a channel has no segments) costs, by channel and country.

    `budgets`: how much may be spent by `day` and by `month` (UTC).
    """

    currency: str = "USD"
    by_channel: Mapping[str, Mapping[str, Decimal]] = {}
    budgets: Mapping[str, Decimal] = {}

    def of(self, channel: str, address: str, segments: int = 1) -> Decimal:
        """The cost of this message; 0 where no price is known."""
        return self.per_part(channel, country_of(address)) * segments if channel in self.by_channel else Decimal(0)

    def per_part(self, channel: str, country: str) -> Decimal:
        """What one segment (or message) costs to this country."""
        by_country = self.by_channel.get(channel, {})
        return by_country.get(country, by_country.get(OTHER, Decimal(0)))

    def cost(self, amount: Decimal) -> Cost:
        """An amount in the file's currency: two decimals, or up to four where it has them."""
        return Cost(in_words(amount), self.currency)


def in_words(amount: Decimal) -> str:
    """Two decimals, or up to four where it has them."""
    text = str(amount.quantize(_PLACES)).rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents.ljust(2, '0')}"


def country_of(address: str) -> str:
    """The country (ISO 3166) of a number in E.164; empty for other addresses, and for numbers of no country."""
    return _country(address[:_TELLING], address) if address.startswith("+") else ""


@lru_cache(maxsize=4096)
def _by_prefix(prefix: str, length: int) -> str:
    try:
        number = phonenumbers.parse(prefix.ljust(length, "0"))
    except phonenumbers.NumberParseException:
        return ""
    code = number.country_code
    return phonenumbers.region_code_for_country_code(code) if code is not None and code not in (1, 7) else ""


@lru_cache(maxsize=65_536)
def _shared(address: str) -> str:
    """Of numbers whose calling code several countries share."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(address)) or ""
    except phonenumbers.NumberParseException:
        return ""


def _country(prefix: str, address: str) -> str:
    found = _by_prefix(prefix, len(address))
    return found if found not in ("", "ZZ", "001") else _shared(address)


def load(path: Path | None, channels: Mapping[str, object]) -> Prices:
    """The prices of a file, all free without one; raises PricesError with everything that is wrong."""
    if path is None:
        return Prices()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PricesError(f"{path}: cannot be read: {error}") from None
    return read(text, channels, str(path))


@lru_cache(maxsize=4)
def _loaded(path: Path, _changed: int, channels: frozenset[str]) -> Prices:
    return load(path, dict.fromkeys(sorted(channels)))


def current(path: Path | None, channels: Mapping[str, object]) -> Prices:
    """The prices as the file says them now: it is read again when it changes. Raises PricesError."""
    if path is None:
        return Prices()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise PricesError(f"{path}: cannot be read: {error}") from None
    return _loaded(path, changed, frozenset(channels))


def read(text: str, channels: Mapping[str, object], name: str) -> Prices:
    """The prices that this text says; `name`: of its file, for what is wrong with it. Raises PricesError."""
    try:
        entries = yaml.safe_load(text)
        twice = [*_repeated_keys(yaml.compose(text, yaml.SafeLoader))]
    except yaml.YAMLError as error:
        raise PricesError(f"{name}: cannot be read: {error}") from None
    if not isinstance(entries, dict):
        raise PricesError(f"{name}: must be a mapping of channels to prices")
    problems = [f"{key}: appears twice" for key in twice]
    currency = entries.pop("currency", "")
    if not is_currency(currency):
        problems.append(f"currency: {currency!r} is no ISO 4217 code, such as USD")
    budgets = _budgets(entries.pop("budgets", {}), problems)
    by_channel = {}
    for channel, prices in entries.items():
        if channel not in channels:
            problems.append(f"{channel}: no channel has this name; known: {', '.join(channels)}")
            continue
        given = prices if isinstance(prices, dict) else {OTHER: prices}
        # YAML 1.1 reads NO, Norway's code, as false.
        named = {"NO" if country is False else country: price for country, price in given.items()}
        by_channel[channel] = {
            str(c): found for c, price in named.items() if (found := _price(channel, c, price, problems)) is not None
        }
    if problems:
        raise PricesError("\n".join(f"{name}: {p}" for p in problems))
    return Prices(currency, by_channel, budgets)


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """Keys that stand twice in one mapping, of which YAML's reader takes the last."""
    if not isinstance(node, yaml.MappingNode):
        return
    keys = [str(key.value) for key, _ in node.value]
    yield from sorted({key for key in keys if keys.count(key) > 1})
    for _, value in node.value:
        yield from _repeated_keys(value)


def _budgets(given: Any, problems: list[str]) -> dict[str, Decimal]:
    if not isinstance(given, dict) or not {*given} <= {*PERIODS}:
        problems.append(f"budgets: {given!r} is none; write {{day: 50, month: 1000}}, or one of them")
        return {}
    return {
        str(p): found
        for p, amount in given.items()
        if (found := _price("budgets", OTHER, amount, problems)) is not None
    }


def _price(channel: str, name: Any, value: Any, problems: list[str]) -> Decimal | None:
    if name != OTHER and name not in phonenumbers.SUPPORTED_REGIONS:
        problems.append(f"{channel}: {name!r} is no country (ISO 3166, two capital letters) and not `other`")
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or price < 0:
        problems.append(f"{channel}.{name}: {value!r} is no price; write what one segment costs, such as 0.0083")
        return None
    return price

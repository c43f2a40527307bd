"""The registry of channels: the built-in ones and those of other packages."""

import re
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from service.channels.channel import Channel
from service.channels.email import EMAIL
from service.channels.medium import Medium
from service.channels.push import PUSH
from service.channels.sms import SMS
from service.channels.webhook import WEBHOOK
from service.channels.whatsapp import WHATSAPP
from service.domain.channels import ChannelSpec

# In the order of pages and bundled messages.
BUILT_IN: Final = (SMS, WHATSAPP, PUSH, EMAIL, WEBHOOK)
GROUP: Final = "stagebell.channels"
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,29}")


class ChannelError(Exception):
    """A channel of another package cannot be used; the text names it and the reason."""


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """All channels by name, in the order of pages; raises ChannelError."""
    found = {channel.name: channel for channel in BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        channel = _loaded(entry)
        if channel.name in found:
            raise ChannelError(f"{_described(entry)}: a channel {channel.name!r} exists already; uninstall one of them")
        found[channel.name] = channel
    return found


def _loaded(entry: EntryPoint) -> Channel:
    try:
        channel = entry.load()
    except Exception as error:
        raise ChannelError(f"{_described(entry)} does not load: {type(error).__name__}: {error}") from error
    if not isinstance(channel, Channel):
        raise ChannelError(f"{_described(entry)}: {entry.value} is not a service.channels.channel.Channel")
    if not _NAME.fullmatch(channel.name):
        raise ChannelError(
            f"{_described(entry)}: {channel.name!r} is not a valid name: letters a to z, digits, underscores"
        )
    return channel


def _described(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist else "a package"
    return f"channel {entry.name!r} of {package}"


def packages() -> list[str]:
    """The other packages that provide channels, with their versions."""
    found = {(e.dist.name, e.dist.version) for e in entry_points(group=GROUP) if e.dist}
    return [f"{name} {version}" for name, version in sorted(found)]


@lru_cache(maxsize=1)
def specs() -> dict[str, ChannelSpec]:
    """The channels as the domain knows them, by name."""
    return {name: channel.spec for name, channel in channels().items()}


def spec_of(name: str) -> ChannelSpec:
    """One channel as the domain knows it; one that is no longer installed has only its name."""
    return specs().get(name) or ChannelSpec(name)


def medium_of(name: str) -> Medium:
    """The medium of a channel; plain text for one that is no longer installed."""
    channel = channels().get(name)
    return channel.medium if channel else Medium()

"""Every channel that there is: those that come along, and those of other packages. The one table."""

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

# In the order of pages and messages.
BUILT_IN: Final = (SMS, WHATSAPP, PUSH, EMAIL, WEBHOOK)
GROUP: Final = "stagebell.channels"
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,29}")


class ChannelError(Exception):
    """A channel of another package that cannot be used; the text names it, and says what is wrong."""


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """By name, in the order of pages; raises ChannelError."""
    found = {channel.name: channel for channel in BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        channel = _loaded(entry)
        if channel.name in found:
            raise ChannelError(f"{_said(entry)}: there is a channel {channel.name!r} already; uninstall one of them")
        found[channel.name] = channel
    return found


def _loaded(entry: EntryPoint) -> Channel:
    try:
        channel = entry.load()
    except Exception as error:
        raise ChannelError(f"{_said(entry)} does not load: {type(error).__name__}: {error}") from error
    if not isinstance(channel, Channel):
        raise ChannelError(f"{_said(entry)}: {entry.value} is no service.channels.channel.Channel")
    if not _NAME.fullmatch(channel.name):
        raise ChannelError(f"{_said(entry)}: {channel.name!r} is no name: letters a to z, digits, underscores")
    return channel


def _said(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist else "a package"
    return f"channel {entry.name!r} of {package}"


def packages() -> list[str]:
    """Which other packages bring channels, with their versions."""
    found = {(e.dist.name, e.dist.version) for e in entry_points(group=GROUP) if e.dist}
    return [f"{name} {version}" for name, version in sorted(found)]


@lru_cache(maxsize=1)
def specs() -> dict[str, ChannelSpec]:
    """What the domain knows of them, by name."""
    return {name: channel.spec for name, channel in channels().items()}


def spec_of(name: str) -> ChannelSpec:
    """Of one; one that is not installed any more has nothing but its name."""
    return specs().get(name) or ChannelSpec(name)


def medium_of(name: str) -> Medium:
    """How messages of this channel look; of one that is not installed any more, as plain text."""
    channel = channels().get(name)
    return channel.medium if channel else Medium()

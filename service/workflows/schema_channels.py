"""The schema of a notice's channels: all at once, some with conditions, or a ladder of rungs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from service.channels import registry
from service.domain.json_object import JsonObject
from service.domain.rungs import Reached
from service.workflows.durations import Duration
from service.workflows.schema_conditions import WhenYaml
from service.workflows.schema_words import YamlModel


def _installed(name: str) -> str:
    if name in registry.channels():
        return name
    raise ValueError(f"Input should be an installed channel; known: {', '.join(registry.channels())}")


def _all_channels(schema: JsonObject) -> None:
    schema["enum"] = list(registry.channels())


Channel = Annotated[str, AfterValidator(_installed), Field(json_schema_extra=_all_channels)]


class ChannelYaml(YamlModel):
    """A channel that is used only while the condition holds."""

    channel: Channel
    when: WhenYaml


class RungYaml(YamlModel):
    """A rung of a ladder: sent `after` the previous one, `unless` a message of an earlier one reached that state."""

    channels: list[Channel | ChannelYaml]
    after: Annotated[Duration | None, Field(description="the time after the previous rung; not for the first one")] = (
        None
    )
    unless: Annotated[
        Reached | None, Field(description="skipped if a message of an earlier rung reached this state")
    ] = None
    when: Annotated[WhenYaml | None, Field(description="skipped unless this holds")] = None


Channels = list[Channel | ChannelYaml | RungYaml]


def single(channels: Channels) -> list[tuple[str, WhenYaml | None]]:
    """Each channel with its condition, in the order in which they are tried."""
    found: list[tuple[str, WhenYaml | None]] = []
    for entry in channels:
        for one in entry.channels if isinstance(entry, RungYaml) else [entry]:
            found.append((one.channel, one.when) if isinstance(one, ChannelYaml) else (one, None))
    return found


def rungs_of(channels: Channels) -> list[RungYaml]:
    """The rungs of a ladder; empty if the channels are not a ladder."""
    return [entry for entry in channels if isinstance(entry, RungYaml)]

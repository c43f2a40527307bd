"""Finds mistakes in all conditions of a pack, with file and line, and what to write instead."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from service.workflows.build import scope_of
from service.workflows.conditions import problems
from service.workflows.schema import NoticeYaml, WorkflowYaml
from service.workflows.schema_channels import Channels, ChannelYaml, RungYaml
from service.workflows.schema_clocks import AtWarningYaml, ClockYaml, FollowUpYaml
from service.workflows.schema_conditions import AudienceYaml, WhenYaml
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath


class ConditionPlace(NamedTuple):
    """A condition and its place; whether an event and the time are known there."""

    path: YamlPath
    when: WhenYaml | None
    of_event: bool = False
    of_time: bool = True


def check(source: Source) -> Iterator[Finding]:
    """All problems of all conditions."""
    scope = scope_of(source.yaml)
    for place in _places(source.yaml):
        if place.when is not None:
            here = replace(scope, of_event=place.of_event, of_time=place.of_time)
            yield from (source.problem(path, problem) for path, problem in problems(place.when, here, place.path))
    yield from _never_told(source)


def _never_told(source: Source) -> Iterator[Finding]:
    """Notices with conditions on an event's changes that no event tells."""
    y = source.yaml
    by_events = {n.notice for status in y.statuses.values() for n in status.notify}
    for name, notice in y.notices.items():
        triggers = (
            notice.on_change, notice.on_note, notice.on_assigned, notice.on_assignee_change, notice.on_rows,
        )  # fmt: skip
        if notice.when is None or notice.manual or name in by_events or any(triggers):
            continue
        for path in _of_events(notice.when):
            problem = f"{path!r} depends on an event, and no event sends this notice"
            does = "add 'on_change', or name it at a status"
            yield source.problem(("notices", name, "when"), f"{name}: {problem}; {does}")
            break


def _of_events(when: WhenYaml) -> Iterator[str]:
    yield from (key for key in ("changed", "changed_by", "first") if getattr(when, key) is not None)
    for inner in (*when.all, *when.any, *([when.not_] if when.not_ else [])):
        yield from _of_events(inner)


def _places(y: WorkflowYaml) -> Iterator[ConditionPlace]:
    for name, notice in y.notices.items():
        yield from _of_notice(name, notice)
    for brand_name, brand in y.brands.items():
        for name, own in brand.notices.items():
            by_event = name in y.notices and not y.notices[name].manual
            yield from _of_channels(("brands", brand_name, "notices", name, "channels"), own.channels, by_event)
    for name, status in y.statuses.items():
        for i, entry in enumerate(status.notify):
            yield ConditionPlace(("statuses", name, "notify", i, "when"), entry.when, of_event=True)
    for name, clock in y.clocks.items():
        yield from _of_clock(name, clock)
    for name, follow_up in y.follow_ups.items():
        yield ConditionPlace(("follow_ups", name, "when"), follow_up.when, of_time=False)
        yield ConditionPlace(("follow_ups", name, "unless"), follow_up.unless, of_time=False)
        yield from _named(("follow_ups", name), follow_up)
    for i, rule in enumerate(y.parts.rules if y.parts else []):
        yield ConditionPlace(("parts", "rules", i, "when"), rule.when, of_event=True, of_time=False)
    for name, reply in y.replies.items():
        yield ConditionPlace(("replies", name, "when"), reply.when)
    for name, reason in y.reasons.items():
        yield ConditionPlace(("reasons", name, "when"), reason.when)
        for i, variant in enumerate(reason.variants):
            yield ConditionPlace(("reasons", name, "variants", i, "when"), variant.when)


def _of_notice(name: str, notice: NoticeYaml) -> Iterator[ConditionPlace]:
    """A manual notice is sent by an agent, without an event."""
    by_event = not notice.manual
    yield ConditionPlace(("notices", name, "when"), notice.when, by_event)
    for i, audience in enumerate(notice.audience):
        if isinstance(audience, AudienceYaml):
            yield ConditionPlace(("notices", name, "audience", i, "when"), audience.when, by_event)
    yield from _of_channels(("notices", name, "channels"), notice.channels, by_event)


def _of_channels(path: YamlPath, channels: Channels, by_event: bool) -> Iterator[ConditionPlace]:
    """Rungs after the first one go at their time, without an event."""
    for i, entry in enumerate(channels):
        if isinstance(entry, ChannelYaml):
            yield ConditionPlace((*path, i, "when"), entry.when, by_event)
        elif isinstance(entry, RungYaml):
            yield ConditionPlace((*path, i, "when"), entry.when, by_event and i == 0)
            for j, channel in enumerate(entry.channels):
                if isinstance(channel, ChannelYaml):
                    yield ConditionPlace((*path, i, "channels", j, "when"), channel.when, by_event and i == 0)


def _of_clock(name: str, clock: ClockYaml) -> Iterator[ConditionPlace]:
    yield ConditionPlace(("clocks", name, "when"), clock.when, of_time=False)
    yield ConditionPlace(("clocks", name, "unless"), clock.unless, of_time=False)
    for i, variant in enumerate(clock.variants):
        yield ConditionPlace(("clocks", name, "variants", i, "when"), variant.when, of_time=False)
    yield from _named(("clocks", name), clock)
    if clock.at_warning:
        yield from _named(("clocks", name, "at_warning"), clock.at_warning)
    if clock.escalate:
        yield ConditionPlace(("clocks", name, "escalate", "when"), clock.escalate.when)


def _named(path: YamlPath, does: ClockYaml | FollowUpYaml | AtWarningYaml) -> Iterator[ConditionPlace]:
    if does.notify:
        yield ConditionPlace((*path, "notify", "when"), does.notify.when)
    if does.publish:
        yield ConditionPlace((*path, "publish", "when"), does.publish.when)

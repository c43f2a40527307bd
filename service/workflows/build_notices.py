"""Notices of a pack, from YAML to the domain's model."""

from datetime import timedelta

from service.domain.attributes import Attribute
from service.domain.conditions.tree import Condition, predicates
from service.domain.notice_rules import Ask, Content, Notice, OnChange, OnNote, Throttle, WhenQuiet
from service.domain.rungs import Rung
from service.workflows.conditions import ConditionScope, condition
from service.workflows.schema import NoticeYaml, WorkflowYaml, audiences_of, channels_of
from service.workflows.schema_channels import Channels, ChannelYaml, rungs_of, single
from service.workflows.schema_conditions import AudienceYaml


def _quiet(name: str, yaml: NoticeYaml, pack: WorkflowYaml) -> WhenQuiet:
    """What quiet hours do to the notice: one told only by follow-ups waits, unless the pack says otherwise."""
    if "quiet" in yaml.model_fields_set or yaml.manual:
        return yaml.quiet
    by_others = {n.notice for s in pack.statuses.values() for n in s.notify}
    by_others |= {n.notice for c in pack.clocks.values() if (n := c.notify)}
    by_others |= {w.notify.notice for c in pack.clocks.values() if (w := c.at_warning) and w.notify}
    is_follow_up = any(f.notify is not None and f.notify.notice == name for f in pack.follow_ups.values())
    return "wait" if is_follow_up and name not in by_others else yaml.quiet


def channel_when(channels: Channels, scope: ConditionScope) -> dict[str, Condition]:
    """The conditions of single channels."""
    return {name: c for name, when in single(channels) if (c := condition(when, scope))}


def rungs(channels: Channels, scope: ConditionScope) -> tuple[Rung, ...]:
    """The rungs of the channels' ladder; empty where all are used at once."""
    return tuple(
        Rung(
            tuple(c.channel if isinstance(c, ChannelYaml) else c for c in step.channels),
            step.after or timedelta(0),
            step.unless,
            condition(step.when, scope),
        )
        for step in rungs_of(channels)
    )


def notices(yaml: WorkflowYaml, scope: ConditionScope) -> dict[str, Notice]:
    """Every notice of the pack, by name."""
    return {name: notice(name, n, yaml, scope) for name, n in yaml.notices.items()}


def notice(name: str, yaml: NoticeYaml, pack: WorkflowYaml, scope: ConditionScope) -> Notice:
    """A notice with its own conditions; conditions of the places that name it stay with those."""
    when = condition(yaml.when, scope)
    audiences = {a.audience: c for a in yaml.audience if isinstance(a, AudienceYaml) if (c := condition(a.when, scope))}
    channels = channel_when(yaml.channels, scope)
    steps = rungs(yaml.channels, scope)
    every = [when, *audiences.values(), *channels.values(), *(r.when for r in steps), *_of_statuses(name, pack, scope)]
    return Notice(
        name=name,
        audiences=tuple(audiences_of(yaml)),
        channels=tuple(channels_of(yaml)),
        on_assignee_change=yaml.on_assignee_change,
        on_assigned=yaml.on_assigned,
        on_note=_on_note(yaml),
        on_change=OnChange(tuple(yaml.on_change.path), frozenset(yaml.on_change.in_)) if yaml.on_change else None,
        on_rows=frozenset(yaml.on_rows),
        quiet=_quiet(name, yaml, pack),
        mandatory=yaml.mandatory,
        bundle=yaml.bundle.within if yaml.bundle else None,
        throttle=Throttle(yaml.throttle.most, yaml.throttle.within) if yaml.throttle else None,
        replaces=tuple(yaml.replaces),
        after=frozenset(yaml.after),
        once=yaml.once,
        when=when,
        audience_when=audiences,
        channel_when=channels,
        rungs=steps,
        watched=frozenset(t.path for c in every for t in predicates(c) if t.op == "changed_by"),
        secret=yaml.secret,
        valid_for=yaml.valid_for,
        when_unknown=yaml.when_unknown,
        manual=yaml.manual,
        statuses=frozenset(yaml.in_),
        asks={n: Ask(Attribute(n, a.type, a.title), a.default, a.ahead) for n, a in yaml.asks.items()},
        replies=tuple(yaml.replies),
        unless_whole_tells=frozenset(yaml.unless_whole_tells),
        content={locale: Content(c.sid, c.variables) for locale, c in yaml.whatsapp_content.items()},
    )


def _of_statuses(name: str, pack: WorkflowYaml, scope: ConditionScope) -> list[Condition | None]:
    """The conditions under which statuses tell the notice."""
    return [condition(n.when, scope) for s in pack.statuses.values() for n in s.notify if n.notice == name]


def _on_note(yaml: NoticeYaml) -> OnNote | None:
    rule = yaml.on_note
    return OnNote(rule.public, frozenset(rule.by), frozenset(rule.not_by), frozenset(rule.in_)) if rule else None

"""From a checked `WorkflowYaml` to the domain's `Workflow`."""

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from msgspec.structs import replace

from service.channels import registry
from service.domain.attributes import Attribute
from service.domain.conversation import ANSWER
from service.domain.languages import Kinship, chain, normal
from service.domain.teams import Level, Reason, ReasonVariant, Team
from service.domain.workflow import Need, Stage, Status, Workflow
from service.workflows import (
    build_acts,
    build_brands,
    build_clocks,
    build_lists,
    build_notices,
    build_parties,
    build_parts,
    build_replies,
    cldr,
)
from service.workflows.conditions import ConditionScope, condition
from service.workflows.schema import StatusYaml, TransitionsYaml, WorkflowYaml
from service.workflows.schema_channels import rungs_of
from service.workflows.schema_teams import ReasonYaml, TeamYaml


def build(yaml: WorkflowYaml, version: str) -> Workflow:
    """Build the domain's model; names must have been checked already."""
    scope = scope_of(yaml)
    finals = frozenset(name for name, s in yaml.statuses.items() if s.final)
    workflow = Workflow(
        name=yaml.workflow,
        version=version,
        title=yaml.title,
        stages={n: Stage(n, i, s.title, s.failed) for i, (n, s) in enumerate(yaml.stages.items())},
        statuses={n: _status(n, s, scope) for n, s in yaml.statuses.items()},
        starts=starts(yaml),
        adopts=yaml.adopts,
        moves=moves(yaml.transitions, list(yaml.statuses), finals),
        repeat_updates=yaml.transitions.repeat == "update",
        notices=build_notices.notices(yaml, scope) | {ANSWER: build_replies.answer_notice()},
        clocks=build_clocks.clocks(yaml, scope),
        reasons={n: _reason(n, r, scope) for n, r in yaml.reasons.items()},
        teams={n: build_team(n, t, yaml) for n, t in yaml.teams.items()},
        fallback=yaml.fallback,
        grace=yaml.grace,
        locales=tuple(yaml.locales),
        timezone=yaml.timezone,
        attributes=_attributes(yaml),
        faqs=tuple(build_replies.faq(a, yaml.locales[0]) for a in yaml.faqs),
        quiet=build_clocks.quiet(yaml.quiet_hours),
        reports=build_clocks.reports(yaml),
        measures={n: build_clocks.measure(n, m) for n, m in yaml.measures.items()},
        promised=_awaited(yaml),
        locale_fallback=locale_fallback(yaml),
        channels=registry.specs(),
    )
    workflow = _with_parties(_with_plain_keys(workflow, yaml), yaml, scope)
    return build_brands.with_brands(workflow, yaml.brands, scope) if yaml.brands else workflow


def _with_plain_keys(workflow: Workflow, yaml: WorkflowYaml) -> Workflow:
    """The workflow with the keys of its pack that are taken over as they stand."""
    return replace(
        workflow,
        contact_from=frozenset(yaml.contact_from),
        contacts=frozenset(yaml.contacts),
        shows=tuple(yaml.shows),
        demo=yaml.demo.as_written(),
        audience_fallback=yaml.audience_fallback,
        moves_running=yaml.running_orders.move,
        renamed=yaml.running_orders.rename,
        expected_end=tuple(yaml.expected_end),
        region=yaml.region,
        reply_to=yaml.reply_to,
        opt_out_words=tuple(w for words in yaml.opt_out_words.values() for w in words),
    )


def _with_parties(workflow: Workflow, yaml: WorkflowYaml, scope: ConditionScope) -> Workflow:
    """The workflow with what people may do and see: customers, those who handle orders, and the company's own."""
    return replace(
        workflow,
        replies=build_replies.replies(yaml, scope),
        tracking=build_replies.tracking(yaml.tracking),
        acts=build_acts.acts(yaml),
        link_acts=build_acts.link_acts(yaml),
        parties=build_parties.parties(yaml),
        lists=build_lists.lists(yaml),
        parts=build_parts.parts(yaml, replace(scope, of_time=False)),
    )


def _awaited(yaml: WorkflowYaml) -> frozenset[str]:
    """The notices whose results orders need: those that a clock waits for, and those on ladders."""
    promised = {c.notice for c in yaml.clocks.values() if c.kind == "notify" and c.notice}
    own = {name for brand in yaml.brands.values() for name, n in brand.notices.items() if rungs_of(n.channels)}
    return frozenset(promised | own | {name for name, n in yaml.notices.items() if rungs_of(n.channels)})


def locale_fallback(yaml: WorkflowYaml) -> Kinship:
    """The fallbacks of languages: the pack's, else those of CLDR."""
    own = {normal(tag).lower(): tuple(map(normal, after)) for tag, after in yaml.locale_fallback.items()}
    return _kinship(tuple(sorted(own.items()))) if own else cldr.kinship()


@lru_cache(maxsize=64)
def _kinship(own: tuple[tuple[str, tuple[str, ...]], ...]) -> Kinship:
    """One object for all packs with the same fallbacks, as it is compared by identity."""
    return Kinship({**cldr.kinship().following, **dict(own)}, dict(own))


def untitled(yaml: WorkflowYaml, titles: Mapping[str, str]) -> list[str]:
    """The pack's languages without a title, in themselves or in a fallback."""
    kinship = locale_fallback(yaml)
    there = {normal(locale).lower() for locale in titles}
    return [locale for locale in yaml.locales if there.isdisjoint(tag.lower() for tag in chain(locale, kinship))]


def _attributes(yaml: WorkflowYaml) -> dict[str, Attribute]:
    """The declared attributes, and as dates those that clocks or the expected end count from."""
    declared = {n: Attribute(n, a.type, a.title, a.personal, a.choices) for n, a in yaml.attributes.items()}
    return {**{name: Attribute(name, "date") for name in dates(yaml)}, **declared}


def dates(yaml: WorkflowYaml) -> dict[str, tuple[str, ...]]:
    """The attributes that are used as dates, with the place in the pack where each is."""
    used: list[tuple[str, tuple[str, ...]]] = [(path, ("expected_end",)) for path in yaml.expected_end]
    used += [(clock.date, ("clocks", name, "date")) for name, clock in yaml.clocks.items() if clock.date]
    named = [(path.split("."), where) for path, where in used]
    return {steps[1]: where for steps, where in named if steps[0] == "attributes" and len(steps) == 2}


def scope_of(yaml: WorkflowYaml) -> ConditionScope:
    """What conditions of this pack can refer to."""
    names = {"status": tuple(yaml.statuses), "stage": tuple(yaml.stages)}
    if (of_parts := build_parts.names_of_parts(yaml)) is not None:
        names["status or stage of a part"] = of_parts
    return ConditionScope(_attributes(yaml), names, yaml.timezone)


def _reason(name: str, yaml: ReasonYaml, scope: ConditionScope) -> Reason:
    known = [(condition(v.when, scope), v) for v in yaml.variants]
    variants = tuple(ReasonVariant(when, v.team, v.severity) for when, v in known if when)
    return Reason(name, yaml.team, yaml.severity, yaml.title, condition(yaml.when, scope), variants)


def _status(name: str, yaml: StatusYaml, scope: ConditionScope) -> Status:
    needs = tuple(Need(n.what, frozenset(n.from_)) for n in yaml.needs)
    when = {n.notice: c for n in yaml.notify if (c := condition(n.when, scope))}
    names = tuple(n.notice for n in yaml.notify)
    return Status(name, yaml.stage, names, when, yaml.on_repeat, yaml.final, needs, yaml.tracked, yaml.listed)


def build_team(name: str, team: TeamYaml, pack: WorkflowYaml) -> Team:
    """A team, with the levels and reminders that apply to orders of this pack."""
    calls = pack.calls.get(name, team)
    return Team(
        name,
        team.title,
        tuple(Level(v.after, v.to) for v in calls.levels),
        calls.remind_every,
        timezone=team.timezone or pack.timezone,
        quiet=build_clocks.quiet(team.quiet_hours),
        digest_at=team.digest_at or "",
        incident_over=team.incident.over,
        incident_within=team.incident.within,
    )


def starts(yaml: WorkflowYaml) -> frozenset[str]:
    """The statuses in which orders start: as declared, else the first one of the path, else the first one."""
    return frozenset(yaml.starts or yaml.transitions.path[:1] or list(yaml.statuses)[:1])


def moves(rules: TransitionsYaml, statuses: list[str], finals: frozenset[str]) -> dict[str, frozenset[str]]:
    """Every allowed transition: `result[a]` are the statuses that may follow `a`."""
    allowed: dict[str, set[str]] = defaultdict(set)
    for i, status in enumerate(rules.path):
        allowed[status] |= _ahead(rules, i)
        if rules.back == "step":
            allowed[status] |= _behind(rules, i)
        elif isinstance(rules.back, list):
            allowed[status] |= {b for b in rules.back if b in rules.path[:i]}
    for status, following in rules.also.items():
        allowed[status] |= set(following)
    for status in statuses:
        if status in finals:
            allowed[status] = set(rules.also.get(status, ()))
        else:
            allowed[status] |= set(rules.from_any)
        allowed[status].discard(status)
    return {status: frozenset(allowed[status]) for status in statuses}


def _ahead(rules: TransitionsYaml, i: int) -> set[str]:
    if rules.forward == "none":
        return set()
    ahead = rules.path[i + 1 :]
    if rules.forward == "any":
        return set(ahead)
    return _until_required(ahead, rules)


def _behind(rules: TransitionsYaml, i: int) -> set[str]:
    return _until_required(rules.path[:i][::-1], rules)


def _until_required(run: list[str], rules: TransitionsYaml) -> set[str]:
    """The statuses of `run` up to the first one that must not be skipped."""
    reachable = set()
    for status in run:
        reachable.add(status)
        if rules.strict or rules.forward != "optional" or status not in rules.optional:
            break
    return reachable

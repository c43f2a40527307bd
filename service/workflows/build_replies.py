"""Builds the domain's replies from a pack's `replies` and `faqs`, and the notice for agents' answers."""

from collections.abc import Iterator
from typing import Final

from service.channels import registry
from service.domain.attributes import Attribute
from service.domain.conversation import ANSWER
from service.domain.notice_rules import Ask, Notice
from service.domain.replies import Faq, MatchingAct, Reply, word_of
from service.domain.workflow import TrackingRules
from service.workflows.conditions import ConditionScope, condition
from service.workflows.schema import FaqYaml, WorkflowYaml
from service.workflows.schema_replies import ReplyYaml
from service.workflows.schema_tracking import TrackingYaml
from service.workflows.yaml_lines import YamlPath

ANY: Final = "any"
NOTICES: Final = ("notify", "answer", "too_late")


def references(y: WorkflowYaml) -> Iterator[tuple[YamlPath, str, str, list[str]]]:
    """Every name that replies use: where, of what kind, and the known names."""
    for name, notice in y.notices.items():
        for offered in notice.replies:
            yield ("notices", name, "replies"), "reply", offered, list(y.replies)
    for status in y.tracking.says:
        yield ("tracking", "says", status), "status", status, list(y.statuses)
    for name, reply in y.replies.items():
        for status in reply.in_ if reply.in_ != ANY else ():
            yield ("replies", name, "in"), "status", status, list(y.statuses)
        for key in NOTICES:
            if (named := getattr(reply, key)) is not None:
                yield ("replies", name, key), "notice", named, list(y.notices)
        if reply.act and reply.act.status:
            yield ("replies", name, "act", "status"), "status", reply.act.status, list(y.statuses)
        if reply.escalate is not None:
            yield ("replies", name, "escalate"), "reason", reply.escalate, list(y.reasons)


def replies(yaml: WorkflowYaml, scope: ConditionScope) -> dict[str, Reply]:
    """The replies as declared; without statuses, a reply counts until the order has ended."""
    return {name: _reply(name, r, yaml, scope) for name, r in yaml.replies.items()}


def statuses_of(yaml: WorkflowYaml, reply: ReplyYaml) -> frozenset[str]:
    """The statuses in which a reply counts."""
    if reply.in_ == ANY:
        return frozenset(yaml.statuses)
    return frozenset(reply.in_ or (n for n, s in yaml.statuses.items() if not s.final))


def _reply(name: str, r: ReplyYaml, yaml: WorkflowYaml, scope: ConditionScope) -> Reply:
    return Reply(
        name=name,
        titles=r.title,
        statuses=statuses_of(yaml, r),
        words=frozenset(word_of(w) for words in r.words.values() for w in words),
        audiences=frozenset(r.audience),
        publish=r.publish,
        escalate=r.escalate,
        notify=r.notify,
        answer=r.answer,
        too_late=r.too_late,
        waits=r.waits,
        repeats=r.repeats,
        buttons=r.buttons,
        when=condition(r.when, scope),
        choice=r.choice,
        act=MatchingAct(r.act.act, r.act.status or "", r.act.attributes) if r.act else None,
    )


def answer_notice() -> Notice:
    """The notice of agents' own answers, on every channel that people read."""
    channels = tuple(c.name for c in registry.channels().values() if c.medium.has_templates)
    text = Ask(Attribute("text", "text"))
    return Notice(ANSWER, (), channels, mandatory=False, asks={"text": text}, free_text=True)


def tracking(yaml: TrackingYaml) -> TrackingRules:
    """The rules of the tracking page."""
    return TrackingRules(yaml.support.phone, yaml.support.email, yaml.support.hours, yaml.assignee, yaml.says)


def faq(yaml: FaqYaml, locale: str) -> Faq:
    """A frequent question; a text in several languages defaults to the pack's first one."""
    says = yaml.say if isinstance(yaml.say, dict) else {locale: yaml.say}
    first = says.get(locale) or next(iter(says.values()), "")
    return Faq(yaml.question, frozenset(yaml.in_), tuple(yaml.check), tuple(yaml.do), first, says)

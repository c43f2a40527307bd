"""Finds mistakes in replies: ambiguous or meaningless words, and notices that need an agent's input."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from service.domain.conversation import ANSWER
from service.domain.replies import word_of
from service.workflows.build_replies import NOTICES, statuses_of
from service.workflows.schema import WorkflowYaml
from service.workflows.schema_replies import ReplyYaml
from service.workflows.source import Finding, Source


def check(source: Source) -> Iterator[Finding]:
    """All problems of `replies`, and of the name that is reserved for agents' answers."""
    y = source.yaml
    if ANSWER in y.notices:
        problem = f"{ANSWER}: this name is reserved for what agents write themselves; rename the notice"
        yield source.problem(("notices", ANSWER), problem)
    for name, reply in y.replies.items():
        yield from _one(source, name, reply)
    yield from _doubles(source)


def _one(source: Source, name: str, reply: ReplyYaml) -> Iterator[Finding]:
    y = source.yaml
    for key in NOTICES:
        notice = getattr(reply, key)
        if notice in y.notices and y.notices[notice].asks:
            problem = f"{name}: nobody can fill in what {notice!r} asks"
            yield source.problem(("replies", name, key), problem)
    for locale in y.locales:
        if locale not in reply.title:
            yield source.problem(("replies", name, "title"), f"{name}: no title in {locale!r}")
    yield from _act(source, name, reply)
    if not (reply.publish or reply.escalate or reply.notify or reply.answer or reply.waits or reply.act):
        yield source.problem(("replies", name), f"{name}: does nothing; give it 'publish', 'answer', 'waits' or others")
    for language, words in reply.words.items():
        for word in words:
            if not word_of(word).text:
                problem = f"{name}: {word!r} has no letter or digit, so that no message could match it"
                yield source.problem(("replies", name, "words", language), problem)


def _act(source: Source, name: str, reply: ReplyYaml) -> Iterator[Finding]:
    """Problems of the act that would answer the reply."""
    wanted, path = reply.act, ("replies", name, "act")
    if wanted is None:
        return
    act = getattr(source.yaml.acts, wanted.act)
    if act is None:
        yield source.problem(path, f"{name}: nobody may do {wanted.act!r}; declare it under 'acts'")
        return
    if (wanted.act == "change_status") != bool(wanted.status) or not (wanted.status or wanted.attributes):
        yield source.problem(path, f"{name}: 'change_status' takes a 'status', and 'set_dates' attributes alone")
    if wanted.status and act.to and wanted.status not in act.to:
        yield source.problem(path, f"{name}: {wanted.status!r} is not entered by hand; add it to 'acts'")
    status = source.yaml.statuses.get(wanted.status or "")
    settable = {*act.sets, *(n.what for n in (status.needs if status else ()))}
    for attribute in wanted.attributes:
        if f"attributes.{attribute}" not in settable:
            problem = f"{name}: attributes.{attribute} is not given with {wanted.act!r}; add it to its 'sets'"
            yield source.problem((*path, "attributes", attribute), problem)


def _doubles(source: Source) -> Iterator[Finding]:
    """Words of two replies that count in the same status: their meaning would be ambiguous."""
    y = source.yaml
    meant: dict[str, dict[str, str]] = defaultdict(dict)
    for name, reply in y.replies.items():
        for word in (w for words in reply.words.values() for w in words):
            meant[word_of(word).text].setdefault(name, word)
    for names in meant.values():
        for first, second in combinations(names, 2):
            if _meet(y, y.replies[first], y.replies[second]):
                problem = (
                    f"{second}: {names[second]!r} is a word of {first!r} already, which counts in the same statuses"
                )
                yield source.problem(("replies", second, "words"), problem)


def _meet(y: WorkflowYaml, one: ReplyYaml, other: ReplyYaml) -> bool:
    return bool(statuses_of(y, one) & statuses_of(y, other)) and not set(one.audience).isdisjoint(other.audience)

"""What may be wrong with acts: what nobody could give, or would be ignored."""

from collections.abc import Iterator
from typing import Final

from service.domain.acts import SETTABLE, TAKES
from service.workflows.build import starts
from service.workflows.build_acts import declared
from service.workflows.lint import Finding, Source

ATTRIBUTES: Final = "attributes."


def check(source: Source) -> Iterator[Finding]:
    """All problems of `acts`."""
    y = source.yaml
    for name, act in declared(y.acts):
        for key in ("to", "sets"):
            if getattr(act, key) and key not in TAKES[name]:
                yield source.problem(("acts", name, key), f"{name}: takes no {key!r}; it would be ignored")
        for path in act.sets:
            known = path in SETTABLE or path.removeprefix(ATTRIBUTES) in y.attributes
            if not known or (path not in SETTABLE and not path.startswith(ATTRIBUTES)):
                said = (
                    f"{name}: nothing can be given as {path!r}; known are {', '.join(SETTABLE)} and declared attributes"
                )
                yield source.problem(("acts", name, "sets"), said)
        if name in ("set_dates", "quote") and not act.sets:
            yield source.problem(("acts", name), f"{name}: sets nothing; say what by 'sets'")
        if name == "create" and act.to and not set(act.to) <= starts(y):
            said = f"create: an order starts as {', '.join(sorted(starts(y)))}"
            yield source.problem(("acts", name, "to"), said)

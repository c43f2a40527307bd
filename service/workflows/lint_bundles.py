"""Finds mistakes in bundling: codes, mandatory notices and those with short clocks cannot wait."""

from collections.abc import Iterator
from datetime import timedelta

from service.workflows.source import Finding, Source


def check(source: Source) -> Iterator[Finding]:
    """All problems of `bundle` and `throttle`."""
    y = source.yaml
    for name, notice in y.notices.items():
        for key in ("bundle", "throttle"):
            if getattr(notice, key) and (notice.secret or notice.mandatory):
                what = "a code" if notice.secret else "what is mandatory"
                yield source.problem(("notices", name, key), f"{name}: {what} never waits for anything; drop {key!r}")
    for name, clock in y.clocks.items():
        spec = y.notices.get(clock.notice or "")
        if clock.kind != "notify" or spec is None or spec.bundle is None or not isinstance(clock.within, timedelta):
            continue
        if clock.within <= spec.bundle.within:
            problem = f"{name}: {clock.notice} waits for others until this promise is broken; a shorter 'bundle'"
            yield source.problem(("clocks", name, "within"), problem)

"""Performance as CSV and as the text of a mail."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from service.domain.workflow import Workflow
from service.ledger.orders.performance_models import (
    AssigneePerformance,
    FiguresOfOrders,
    PartyPerformance,
    PerformanceMetrics,
    PromiseOutcomes,
)
from service.lists.tabular import plain

WORST: Final = 10


def performance_csv(m: PerformanceMetrics, *, named: bool = True) -> str:
    """Assignees as CSV, worst first; `named`: with their names, which must not leave the company."""
    return _table(["assignee"], [([a.assignee], a) for a in m.assignees], named=named)


def parties_csv(m: PerformanceMetrics) -> str:
    """Parties, such as providers, as CSV; worst first of each audience."""
    return _table(["audience", "id"], [([p.audience, p.id], p) for p in m.parties], named=True)


def _table(
    head: list[str], rows: Sequence[tuple[list[str], AssigneePerformance | PartyPerformance]], *, named: bool
) -> str:
    measures = list(dict.fromkeys(name for _, a in rows for name in a.measures))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*head, "name", "orders", "kept", "broken", "late_share", *measures, "worst"])
    for who, a in rows:
        values = [*who, a.name if named else "", a.orders, a.kept, a.broken, a.late_share]
        writer.writerow([plain(v) for v in (*values, *(a.measures.get(n) for n in measures), " ".join(a.worst))])
    return out.getvalue()


def performance_text(m: PerformanceMetrics, workflow: Workflow) -> str:
    """This week's promises compared with last week's, worst first; who is late most often; how fast teams respond."""
    return "\n".join(_lines(m, workflow))


def _lines(m: PerformanceMetrics, workflow: Workflow) -> Iterator[str]:
    yield f"{workflow.title}: promises kept in the last seven days, worst first"
    for p in m.promises[:WORST]:
        change = "" if p.change is None else f", {p.change:+.1f} points"
        yield f"  {_share(p.now)} {_clock(workflow, p.clock)} ({p.now.broken} broken{change})"
    if not m.promises:
        yield "  none ended"
    yield from ("", "Most often late, by id")
    people: list[tuple[str, FiguresOfOrders]] = [(a.assignee, a) for a in m.assignees]
    people += [(f"{p.audience} {p.id}", p) for p in m.parties]
    for who, a in sorted((p for p in people if p[1].broken), key=lambda p: -(p[1].late_share or 0))[:WORST]:
        promises = f"{a.broken} of {a.kept + a.broken} promises in {a.orders} orders"
        yield f"  {a.late_share or 0:.1f} % {who}: {promises}"
    yield from ("", "Teams, by median time to acknowledge")
    for t in m.teams:
        took = "none taken" if t.acknowledge_median_s is None else f"{t.acknowledge_median_s / 60:.0f} min"
        yield f"  {took} {workflow.teams[t.team].title if t.team in workflow.teams else t.team}: {t.opened} called"


def _share(kept: PromiseOutcomes) -> str:
    return "none" if kept.share is None else f"{kept.share:.1f} %"


def _clock(workflow: Workflow, name: str) -> str:
    spec = workflow.clocks.get(name)
    reason = workflow.reasons.get(spec.escalate.reason) if spec and spec.escalate else None
    words = name.replace("_", " ").capitalize()
    return reason.titles.get(workflow.default_locale, words) if reason else words

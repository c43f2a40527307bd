"""Charts as plain SVG, coloured by the page's style sheet; they need no scripts."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from markupsafe import Markup, escape

from service.ledger.orders.performance_models import PromiseWeek, StageTimes

WIDTH: Final = 900
LABEL: Final = 230
# Characters of 13 px that fit there.
LONGEST_LABEL: Final = 32
ROW: Final = 34
TICKS_S: Final = (1, 10, 60, 600, 3600, 21600, 86400, 604800, 2592000)


def duration(seconds: float) -> str:
    """`95 s`, `12 min`, `3.5 h`, `2 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def stages_chart(stages: Sequence[StageTimes]) -> Markup:
    """A row a stage on a logarithmic axis: the median as a mark, up to p90 as a band, up to p99 as a whisker."""
    rows = [(s.title, s.p50 or 0.0, s.p90 or 0.0, s.p99 or 0.0) for s in stages if s.count]
    if not rows:
        return Markup('<p class="empty">No order has left a stage yet.</p>')
    shortest = max(1.0, min(p50 for _, p50, _, _ in rows) / 4)
    longest = max(10.0, *(p99 for *_, p99 in rows))
    ticks = [t for t in TICKS_S if shortest <= t <= longest * 1.5]

    def x(seconds: float) -> float:
        return LABEL + (WIDTH - LABEL - 90) * math.log(max(seconds, shortest) / shortest) / math.log(
            longest * 1.2 / shortest
        )

    height = ROW * len(rows) + 40
    parts = [_svg(height, "Time in each stage: half, nine of ten and 99 of 100 orders are through within")]
    for t in ticks:
        parts.append(f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="10" y2="{height - 26}"/>')
        parts.append(f'<text class="faint" x="{x(t):.1f}" y="{height - 8}" text-anchor="middle">{duration(t)}</text>')
    for i, (title, p50, p90, p99) in enumerate(rows):
        y = 26 + ROW * i
        parts.append(_label(title, y + 4))
        parts.append(f'<line class="whisker" x1="{x(p50):.1f}" x2="{x(p99):.1f}" y1="{y}" y2="{y}" stroke-width="2"/>')
        wide = max(2.0, x(p90) - x(p50))
        parts.append(f'<rect class="band" x="{x(p50):.1f}" y="{y - 8}" width="{wide:.1f}" height="16" rx="4"/>')
        parts.append(f'<circle class="mark" cx="{x(p50):.1f}" cy="{y}" r="6"/>')
        parts.append(f'<text class="faint" x="{x(p99) + 10:.1f}" y="{y + 4}">{duration(p50)}</text>')
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - numbers of ours and escaped titles


def promises_chart(promises: Sequence[PromiseWeek], titled: Callable[[str], str]) -> Markup:
    """A row a promise by its title, the worst first, a bar a week: how many were kept, and how many broken."""
    weeks = sorted({p.week for p in promises})[-12:]
    by_clock: dict[str, dict[str, PromiseWeek]] = defaultdict(dict)
    for p in promises:
        if p.week in weeks:
            by_clock[p.clock][p.week] = p
    if not by_clock:
        return Markup('<p class="empty">No promise has ended yet.</p>')
    step = min(60.0, (WIDTH - LABEL - 100) / len(weeks))
    height = (ROW + 6) * len(by_clock) + 34
    parts = [_svg(height, "Promises kept by week")]
    for j, week in enumerate(weeks):
        middle = LABEL + step * (j + 0.5)
        parts.append(
            f'<text class="faint" x="{middle:.1f}" y="{height - 8}" text-anchor="middle">{escape(week[5:])}</text>'
        )
    for i, (clock, found) in enumerate(sorted(by_clock.items(), key=lambda pair: _kept_of(pair[1].values()))):
        bottom = 12 + (ROW + 6) * (i + 1) - 8
        parts.append(_label(titled(clock), bottom - 8))
        parts.append(f'<line class="grid" x1="{LABEL}" x2="{WIDTH - 90}" y1="{bottom}" y2="{bottom}"/>')
        for j, week in enumerate(weeks):
            if week in found:
                parts.append(_bar(found[week], LABEL + step * j + step * 0.2, bottom, step * 0.6))
        share = 100 * _kept_of(found.values())
        parts.append(f'<text class="faint" x="{WIDTH - 80}" y="{bottom - 8}">{share:.1f} %</text>')
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - numbers of ours and escaped names


def _kept_of(weeks: Iterable[PromiseWeek]) -> float:
    """The share that was kept in all of them, of 1."""
    ended = [(p.kept, p.broken) for p in weeks]
    return sum(kept for kept, _ in ended) / sum(kept + broken for kept, broken in ended)


def _label(title: str, y: float) -> str:
    """A row's title, cut where it would leave the picture; whole on pointing at it."""
    short = title if len(title) <= LONGEST_LABEL else f"{title[: LONGEST_LABEL - 1].rstrip()}…"
    return f'<text x="{LABEL - 12}" y="{y:.0f}" text-anchor="end">{escape(short)}<title>{escape(title)}</title></text>'


def _bar(p: PromiseWeek, x: float, bottom: float, width: float) -> str:
    tall = ROW - 6
    broken = tall * p.broken / (p.kept + p.broken)
    kept = tall - broken
    title = f"{p.week}: {p.kept} kept, {p.broken} broken"
    return (
        f"<g><title>{escape(title)}</title>"
        f'<rect class="kept" x="{x:.1f}" y="{bottom - kept:.1f}" width="{width:.1f}" height="{kept:.1f}"/>'
        f'<rect class="broken" x="{x:.1f}" y="{bottom - tall:.1f}" width="{width:.1f}" height="{broken:.1f}"/></g>'
    )


def _svg(height: float, label: str) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'

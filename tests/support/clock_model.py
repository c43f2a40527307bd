"""A naive model of clocks, written independently of the service: one dict for each clock, each rule spelt out.

The workflow is small and has one clock of each kind that events can start, stop, move and pause.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

WORKFLOW = "modelled"
PACK = """
workflow: modelled
title: For the clock model
locales: [en]
stages: {one: {title: {en: One}}, two: {title: {en: Two}}, end: {title: {en: End}}}
statuses:
  waiting: {stage: one}
  working: {stage: two}
  held: {stage: two}
  over: {stage: end, final: true}
transitions:
  also: {waiting: [working, held], working: [waiting, held], held: [waiting, working]}
  from_any: [over]
  repeat: update
clocks:
  start: {kind: dwell, in: waiting, within: 10m, escalate: {reason: slow}}
  whole: {kind: dwell, in: [waiting, working, held], within: 60m, paused_in: held, escalate: {reason: slow}}
  arrive: {kind: deadline, date: eta, in: [waiting, working], within: 5m, escalate: {reason: late}}
  silence: {kind: dwell, reset_by_any_event: true, within: 20m, escalate: {reason: quiet}}
teams: {tech: {title: Tech}}
reasons:
  slow: {team: tech, title: {en: Slow}}
  late: {team: tech, title: {en: Late}}
  quiet: {team: tech, title: {en: Quiet}}
"""
STATUSES = ("waiting", "working", "held", "over")
MINUTE = timedelta(minutes=1)


def write_pack(folder: Path) -> Path:
    """Write the pack into a folder of packs."""
    (folder / WORKFLOW).mkdir(parents=True)
    (folder / WORKFLOW / "workflow.yaml").write_text(PACK)
    return folder


@dataclass
class Running:
    """A clock that is running, paused (`left`) or has breached."""

    due: datetime
    left: timedelta | None = None
    rang: bool = False
    basis: datetime | None = None


@dataclass
class Model:
    """The model of one order. `breaches`: (clock, time), each once."""

    status: str | None = None
    eta: datetime | None = None
    newest: datetime | None = None
    since: datetime | None = None
    clocks: dict[str, Running] = field(default_factory=dict)
    breaches: list[tuple[str, datetime]] = field(default_factory=list)

    def pass_time(self, until: datetime) -> None:
        """Let clocks breach that are due by then, earliest first."""
        due = [(c.due, name) for name, c in self.clocks.items() if c.left is None and not c.rang and c.due <= until]
        for moment, name in sorted(due):
            self.clocks[name].rang = True
            self.breaches.append((name, moment))

    def event(self, status: str, time: datetime, eta: datetime | None, now: datetime) -> str:
        """Apply an event when it arrives; returns its outcome."""
        if time > now + 5 * MINUTE:
            return "rejected"
        at = min(time, now)
        if self.status is not None and self.newest is not None and at < self.newest:
            if self.eta is None and eta is not None:
                self.eta = eta
                self._follow(at, any_event=False)
            return "late"
        if self.status == "over" and status != "over":
            return "rejected"
        if self.status is not None:
            self.pass_time(at)
        if self.status != status:
            self.since = at
        self.status, self.newest, self.eta = status, at, eta or self.eta
        self._follow(at, any_event=True)
        return "accepted"

    def _follow(self, at: datetime, *, any_event: bool) -> None:
        """Start, stop, move, pause and resume clocks."""
        assert self.since is not None
        open_ = self.status != "over"
        self._dwell("start", self.status == "waiting", 10 * MINUTE, at)
        self._dwell("whole", open_, 60 * MINUTE, at)
        whole = self.clocks.get("whole")
        if whole and not whole.rang:
            if self.status == "held" and whole.left is None:
                whole.left = whole.due - at
            elif self.status != "held" and whole.left is not None:
                whole.due, whole.left = at + whole.left, None
        arrive = self.clocks.get("arrive")
        if self.status in ("waiting", "working") and self.eta is not None:
            if arrive is None or arrive.basis != self.eta:
                self.clocks["arrive"] = Running(self.eta + 5 * MINUTE, basis=self.eta)
        else:
            self.clocks.pop("arrive", None)
        if not open_:
            self.clocks.pop("silence", None)
        elif "silence" not in self.clocks:
            self.clocks["silence"] = Running(self.since + 20 * MINUTE)
        elif any_event:
            self.clocks["silence"] = Running(at + 20 * MINUTE)

    def _dwell(self, name: str, applies: bool, within: timedelta, at: datetime) -> None:
        assert self.since is not None
        if not applies:
            self.clocks.pop(name, None)
        elif name not in self.clocks:
            self.clocks[name] = Running(self.since + within)

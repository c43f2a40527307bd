"""Titles of the things that packs declare, in their first language, in place of names with underscores."""

from typing import Final

from msgspec import Struct

from service.channels import registry
from service.domain.rungs import notice_of
from service.domain.workflow import Workflow
from service.workflows import cldr
from service.workflows.packs import Packs

# What became of a message, for people; what is not here is called the same by machines.
_STATES: Final = {
    "pending": "waits",
    "sending": "being sent",
    "retrying": "tried again",
    "undelivered": "not delivered",
    "superseded": "overtaken",
    "suppressed": "not sent",
}


def plain(name: str) -> str:
    """A name without a title, as words."""
    return name.replace("_", " ").strip().capitalize()


def language(locale: str) -> str:
    """A language's name, in English."""
    try:
        name = cldr.writing(locale).get_display_name("en")
    except ValueError:
        name = None
    return name or locale


class Titles(Struct, frozen=True):
    """Titles of what orders, messages and escalations name."""

    packs: Packs

    def _of(self, workflow: str) -> Workflow | None:
        pack = self.packs.find(workflow)
        return pack.workflow if pack else None

    def channel(self, name: str) -> str:
        """A channel's title; of one that is no longer installed, its name as words."""
        found = registry.channels().get(name)
        return found.title if found else plain(name)

    def state(self, name: str) -> str:
        """What became of a message; of several, parted by commas, each."""
        return ", ".join(_STATES.get(one, one) for one in name.split(","))

    def workflow(self, name: str) -> str:
        """A workflow's title."""
        w = self._of(name)
        return w.title if w else plain(name)

    def reason(self, workflow: str, name: str) -> str:
        """The title of a reason."""
        w = self._of(workflow)
        reason = w.reasons.get(name) if w else None
        return reason.titles.get(w.default_locale, plain(name)) if w and reason else plain(name)

    def team(self, name: str, workflow: str = "") -> str:
        """A team's title, in this workflow or in any."""
        some = [self._of(workflow)] if workflow else [p.workflow for p in self.packs]
        return next((w.teams[name].title for w in some if w and name in w.teams), plain(name))

    def stage(self, workflow: str, name: str) -> str:
        """The title of a stage."""
        w = self._of(workflow)
        stage = w.stages.get(name) if w else None
        return stage.titles.get(w.default_locale, plain(name)) if w and stage else plain(name)

    def status(self, workflow: str, name: str) -> str:
        """A status' name as words, as packs have titles for stages only."""
        return plain(name)

    def notice(self, workflow: str, name: str) -> str:
        """A notice's title: the one under which agents send it, else that of the stage that it tells of.

        Without a workflow, that of the first one that has it.
        """
        among = [self._of(workflow)] if workflow else [p.workflow for p in self.packs if name in p.workflow.notices]
        w = next(iter(among), None)
        if w is None:
            return plain(name)
        workflow = w.name
        notice = w.notices.get(name)
        if notice and notice.manual:
            return notice.manual.get(w.default_locale, plain(name))
        if name in w.stages:
            return self.stage(workflow, name)
        told_in = {s.stage for s in w.statuses.values() if name in s.notices}
        return self.stage(workflow, told_in.pop()) if len(told_in) == 1 else plain(name)

    def clock(self, workflow: str, name: str) -> str:
        """A clock's title: that of the reason of its escalation, or of the notice that it tells."""
        if notice := notice_of(name):
            return f"By the next channel: {self.notice(workflow, notice)}"
        w = self._of(workflow)
        spec = w.clocks.get(name) if w else None
        if spec and spec.notice:
            return f"Told: {self.notice(workflow, spec.notice)}"
        return self.reason(workflow, spec.escalate.reason) if spec and spec.escalate else plain(name)

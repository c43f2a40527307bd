"""What the people of a party see of their orders: of others, only what the pack shows them. Pure.

Always: the order's status and dates, their own data, public notes for everybody or for them, their own notes, and the
messages to them. Never: other people's internal notes, comments to other sides, clocks and escalations, and messages
to others.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from service.domain.json_object import JsonObject
from service.domain.order import ASSIGNEE, Order
from service.domain.party_rules import SEEN_OF_PEOPLE, PartyRules
from service.domain.scopes import Party, Scope, parties_of
from service.domain.workflow import Workflow

# Shown in place of a name that they may not see.
MASKED: Final = "•••"
_LINES: Final = frozenset({"status_changed", "status_repeated", "adopted", "data_updated", "note_added"})
_OF_LINES: Final = ("at", "kind", "was", "to", "stage", "status")
_OF_MESSAGES: Final = ("at", "kind", "notice", "channel", "audience", "message", "why")
_ATTRIBUTES: Final = "attributes."


def rules_of(workflow: Workflow, role: str) -> PartyRules:
    """The pack's rules for this audience."""
    return workflow.parties.get(role) or PartyRules()


def own_ids(order: Order, role: str, scope: Scope) -> frozenset[str]:
    """The ids by which the caller takes part in the order."""
    return frozenset(p.id for p in parties_of(order) if p.audience == role) & scope.ids_of(role)


def attributes_of(workflow: Workflow, role: str) -> frozenset[str]:
    """The attributes that they see: those of lists (never personal), those that the pack names, and those they set."""
    named = set(rules_of(workflow, role).sees)
    settable = {path for act in workflow.acts.values() for path in act.set_by(role)}
    others = {p.removeprefix(_ATTRIBUTES) for p in named | settable if p.startswith(_ATTRIBUTES)}
    return frozenset(others.union(workflow.shows))


def to_do_of(workflow: Workflow, role: str) -> frozenset[str]:
    """The statuses in which an order waits for them."""
    named = rules_of(workflow, role).to_do
    act = workflow.acts.get("change_status")
    if named or act is None or role not in act.roles:
        return named
    return frozenset(s for s in act.statuses if workflow.moves[s])


def sees(rules: PartyRules, path: str) -> bool:
    """Whether a path of the order is shown to them."""
    return path in rules.sees or path.partition(".")[0] in rules.sees


def fields_seen(rules: PartyRules, audience: str) -> frozenset[str]:
    """The fields that they see of other people in this audience."""
    return frozenset(f for f in SEEN_OF_PEOPLE if sees(rules, f"{audience}.{f}"))


def line_seen(line: Mapping[str, Any], role: str, ids: Collection[str], messages: Collection[str]) -> JsonObject | None:
    """A timeline line as they see it; None for one that they may not see. `messages`: the ids of messages to them."""
    if str(line["kind"]).startswith("message_"):
        return {k: line[k] for k in _OF_MESSAGES if k in line} if line.get("message") in messages else None
    if line["kind"] not in _LINES:
        return None
    is_own = line.get("side") == role and line.get("side_id") in ids
    # A comment to one side is hidden from the others.
    is_told = bool(line.get("public")) and line.get("audience") in (None, "", role)
    found = {k: line[k] for k in _OF_LINES if k in line}
    if line.get("note") and (is_own or is_told):
        found |= {"note": line["note"], "public": bool(line.get("public")), "side": line.get("side", "")}
        found |= {"attachments": line["attachments"]} if line.get("attachments") else {}
        found |= {"by": line["by"]} if is_own and "by" in line else {}
    elif line["kind"] == "note_added":
        return None
    return found


def is_own(party: Party, role: str, ids: Collection[str]) -> bool:
    """Whether this person of the order is the caller's."""
    return party.audience in (role, ASSIGNEE) and party.id in ids

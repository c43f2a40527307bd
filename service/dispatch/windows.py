"""WhatsApp's reply window: free text only within 24 hours after a person's message, else approved templates.

Source: Twilio, "WhatsApp customer service window", and error 63016 ("outside the allowed window"). The window is of one
person and one sender of ours. While nothing shows that the rule holds here, free words are tried: a sandbox or another
carrier may have none. It shows when a pack names templates, when a person wrote longer ago than that, or when a
provider refused or failed a message for it once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct

from service.channels import registry
from service.channels.port import OutgoingMessage, Provider, ReplyWindow, chosen_sender
from service.dispatch.template_states import TemplateStates
from service.domain.workflow import Workflow
from service.ledger.conversations import windows as rows
from service.ledger.database.transaction import Transaction
from service.ledger.messages.claims import ClaimedMessage
from service.workflows.packs import Packs

OUTSIDE: Final = "63016"
WHY_CLOSED: Final = "they wrote to us more than 24 hours ago, or never, and the notice has no approved template for it"
# A window that would close while the message is in flight counts as closed.
MARGIN: Final = timedelta(minutes=1)


class FreeWords(Struct, frozen=True):
    """The reply window of a person on one channel. `until` (UTC): None where they never wrote there."""

    is_open: bool
    until: datetime | None


async def free_words(
    tx: Transaction,
    channel: str,
    address: str,
    workflow: Workflow,
    senders: frozenset[str],
    now: datetime,
) -> FreeWords | None:
    """The window as it will be at sending; None where no window applies."""
    declared = registry.channels().get(channel)
    if declared is None or declared.reply_window is None:
        return None
    last_wrote, is_known_to_hold = await rows.heard_at(tx, channel, {(address, s) for s in senders})
    if not (is_known_to_hold or last_wrote or workflow.has_content):
        return None
    until = max((at + declared.reply_window - MARGIN for at in last_wrote.values()), default=None)
    return FreeWords(until is not None and now < until, until)


async def windows_of(
    tx: Transaction,
    channel: str,
    claimed: Sequence[ClaimedMessage],
    providers: Sequence[Provider],
    packs: Packs,
    now: datetime,
) -> dict[UUID, ReplyWindow]:
    """Of each of these messages, where the channel has windows at all."""
    declared = registry.channels().get(channel)
    length = declared.reply_window if declared else None
    if length is None or not claimed:
        return {}
    senders = {c.message.id: _senders(c, channel, providers, packs) for c in claimed}
    pairs = {(c.message.address, s) for c in claimed for s in senders[c.message.id]}
    last_wrote, is_known_to_hold = await rows.heard_at(tx, channel, pairs)
    found = {}
    for c in claimed:
        n = c.message
        times = {s: at for s in senders[n.id] if (at := last_wrote.get((n.address, s)))}
        opened = frozenset(s for s, at in times.items() if now < at + length - MARGIN)
        found[n.id] = ReplyWindow(opened, is_known_to_hold or bool(times) or _names_templates(c, packs))
    return found


def _senders(c: ClaimedMessage, channel: str, providers: Sequence[Provider], packs: Packs) -> frozenset[str]:
    pack = packs.find(c.workflow, c.version)
    return senders_of(pack.workflow if pack else None, c.snapshot.brand, channel, providers)


def senders_of(workflow: Workflow | None, brand: str, channel: str, providers: Sequence[Provider]) -> frozenset[str]:
    """From whom a message may come: the providers' own senders, or those of its brand."""
    found = workflow.brands.get(brand) if workflow else None
    return frozenset({p.sender for p in providers} | set(found.senders.get(channel, ()) if found else ()))


def _names_templates(c: ClaimedMessage, packs: Packs) -> bool:
    pack = packs.find(c.workflow, c.version)
    return pack is not None and pack.workflow.has_content


def is_closed(message: OutgoingMessage, providers: Sequence[Provider], templates: TemplateStates) -> bool:
    """Whether every provider would refuse this message."""
    sid = message.rendered.content_sid
    if message.window is None or not message.window.holds or not providers or (sid and not templates.is_bad(sid)):
        return False
    return all((chosen_sender(p, message) or p.sender) not in message.window.open_to for p in providers)

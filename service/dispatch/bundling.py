"""Bundling: several messages to one person sent as one.

Each of them is claimed, begun and settled like any other; one of them, the carrier, is sent with the texts of all. The
provider's result applies to all of them: if accepted, the others end as `bundled`; else each is retried by itself, and
may be bundled again.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from service.channels.medium import Rendered
from service.channels.port import SendResult
from service.channels.registry import medium_of
from service.dispatch.compose import Composed
from service.dispatch.settle import Ended, Outcome
from service.domain.notices import Accepted
from service.domain.planning import bundle_of
from service.keyring import Keyring
from service.ledger.database.transaction import Transaction
from service.ledger.messages import claims
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.orders.records import bundle_lane
from service.workflows.packs import Packs

ToSend = tuple[ClaimedMessage, Composed]


async def beside(
    tx: Transaction, claimed: Sequence[ClaimedMessage], packs: Packs, keyring: Keyring, now: datetime
) -> list[ClaimedMessage]:
    """Further messages that wait and may be bundled with one of these."""
    waits = {}
    for c in claimed:
        pack = packs.find(c.workflow, c.version)
        notice = pack.workflow.notices.get(c.message.notice) if pack else None
        if notice is None or notice.bundle is None:
            continue
        if c.lane == bundle_lane(keyring, bundle_of(c.workflow, c.snapshot.brand), c.message):
            waits[c.message.id] = (c.lane, notice.bundle)
    if not waits:
        return []
    lanes: dict[UUID, bytes] = {message_id: lane for message_id, (lane, _) in waits.items()}
    return await claims.claim_beside(tx, lanes, now + max(within for _, within in waits.values()))


def together(ready: Sequence[ToSend], others: Iterable[ClaimedMessage]) -> list[ToSend]:
    """The messages to send, each with the texts of those bundled with it, its `companions`.

    `others`: the further ones that were claimed; only messages in their lanes are bundled.
    """
    lanes = {c.lane for c in others}
    found = [one for one in ready if one[0].lane not in lanes or _is_alone(one)]
    groups: dict[bytes, list[list[ToSend]]] = {}
    for one in sorted((s for s in ready if s[0].lane in lanes and not _is_alone(s)), key=lambda s: s[0].message.id):
        of_lane = groups.setdefault(one[0].lane, [])
        if of_lane and _fits(one[0].message.channel, [*of_lane[-1], one]):
            of_lane[-1].append(one)
        else:
            of_lane.append([one])
    return found + [_joined(group) for of_lane in groups.values() for group in of_lane]


def _is_alone(one: ToSend) -> bool:
    """Codes and approved templates are never bundled."""
    return one[0].message.secret or bool(one[1].outgoing.rendered.content_sid)


def _fits(channel: str, group: Sequence[ToSend]) -> bool:
    return sum(len(x.outgoing.rendered.text) + 2 for _, x in group) <= medium_of(channel).longest_joined


def _joined(group: Sequence[ToSend]) -> ToSend:
    (carrier, composed), *others = group
    if not others:
        return carrier, composed
    words: Rendered = medium_of(carrier.message.channel).joined([x.outgoing.rendered for _, x in group])
    ttl_s = min(x.outgoing.ttl_s for _, x in group)
    outgoing = replace(composed.outgoing, rendered=words, ttl_s=ttl_s)
    return carrier, replace(composed, outgoing=outgoing, shown=words, companions=tuple(others))


def all_of(c: ClaimedMessage, x: Composed) -> list[ClaimedMessage]:
    """The message and its companions."""
    return [c, *(n for n, _ in x.companions)]


def outcomes(c: ClaimedMessage, x: Composed, answer: SendResult, sender: str) -> Iterator[Outcome]:
    """The outcomes of the companions, by the provider's answer to the carrier."""
    left = Ended("bundled", f"left in one message with {c.message.notice}")
    for other, _ in x.companions:
        n = other.message
        result = left if isinstance(answer, Accepted) else answer
        yield Outcome(n.id, n.order_id, result, other.fencing_token, sender)

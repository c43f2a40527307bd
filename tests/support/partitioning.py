"""Statements for sharding PostgreSQL: which name their order, and which query all orders (docs/scaling.md).

`integration/test_statements.py` checks the statements of an order's life.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from service.ledger.columns import metadata

# Rows of one order; their ids begin with the order's (docs/adr/0004), so that an id identifies the order.
OF_AN_ORDER: Final = frozenset(
    {"orders", *(t.name for t in metadata.tables.values() if "order_id" in t.c)}
    - {"inbox", "audit", "escalation_stream"}  # of an event, of whoever looked, of all teams
)
_TABLE: Final = "|".join(sorted(OF_AN_ORDER))
NAMES_THE_ORDER: Final = re.compile(
    rf"\b({_TABLE})\.(id|order_id) (=|IN \((?!SELECT)|= ANY)|\border_id (=|IN \()|\(workflow, order_id\) IN"
    rf"|INSERT INTO ({_TABLE}) \((id|order_id|digest, order_id)\b|\bid IN \(\$"
)
# Statements that query all orders, by the wording of the page: each loop would query its own shard.
ASKED_OF_ALL: Final = {
    r"FROM messages .*WHERE messages\.channel = ": "what may be sent now, by channel",
    r"min\(messages\.not_before\)": "when the next message is due, and how long the oldest waits",
    r"messages\.state IN \('sending'\) AND messages\.lease_until": "expired leases",
    r"messages\.state IN \('unknown'\) AND messages\.not_before": "sends without a response",
    r"messages\.state IN \('held'\)": "held messages",
    r"messages WHERE messages\.lane (IN|= ANY)|UPDATE messages SET turn .* lane": "the next message of a lane",
    r"UPDATE notices SET sealed_secret=.* notices\.valid_until <=": "expired codes",
    r"orders\.wake_at": "orders whose clocks are due",
    r"FROM orders WHERE orders\.id > .* LIMIT|FROM order_(attributes|parties) WHERE order_(attributes|parties)\.order_id >": "orders to be indexed again",
    r"DELETE FROM (causes|replies) WHERE .*at <|FROM (attachments|list_batches) WHERE .*stored_at <": "data past its retention",
}


def parts_of(statement: str) -> Iterator[str]:
    """The parts of a statement by table, if it writes several."""
    if re.match(r"WITH w\d+ AS", statement):
        yield from re.split(r"\bw\d+ AS \(", statement)[1:]
    else:
        yield statement


def strange(said: Iterable[str]) -> list[str]:
    """The statements that neither name an order nor are on the page; raises if the page has one that is not used."""
    every = dict.fromkeys(part for statement in said for part in parts_of(" ".join(statement.split())))
    concerned = [s for s in every if re.search(rf"(FROM|JOIN|INTO|UPDATE) ({_TABLE})\b", s)]
    unused = [words for pattern, words in ASKED_OF_ALL.items() if not any(re.search(pattern, s) for s in concerned)]
    assert unused == [], "nothing asks this of all orders any more"
    return [s for s in concerned if not NAMES_THE_ORDER.search(s) and not any(re.search(p, s) for p in ASKED_OF_ALL)]

"""Past one PostgreSQL: which statements say whose order they are about, and which ask all of them (docs/scaling.md)."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import event as happening

from service.ledger.columns import metadata
from tests.integration.test_statements import HOW_MANY, live
from tests.support.world import ROOT, World

# Rows of one order. Their own ids begin with the order's (docs/adr/0004), so that an id says whose it is.
OF_AN_ORDER: Final = frozenset(
    {"orders", *(t.name for t in metadata.tables.values() if "order_id" in t.c)}
    - {"inbox", "audit", "escalation_stream"}  # of an event, of whoever looked, of all teams
)
_TABLE: Final = "|".join(sorted(OF_AN_ORDER))
NAMES_THE_ORDER: Final = re.compile(
    rf"\b({_TABLE})\.(id|order_id) (=|IN \((?!SELECT)|= ANY)|\border_id (=|IN \()|\(workflow, order_id\) IN"
    rf"|INSERT INTO ({_TABLE}) \((id|order_id|digest, order_id)\b|\bid IN \(\$"
)
# What asks all orders of its database, by the words that stand in the page: each loop would ask its own part.
ASKED_OF_ALL: Final = {
    r"FROM messages .*WHERE messages\.channel = ": "what may be sent now, by channel",
    r"min\(messages\.not_before\)": "when the next message is due, and how long the oldest waits",
    r"messages\.state IN \('sending'\) AND messages\.lease_until": "leases that ran out",
    r"messages\.state IN \('unknown'\) AND messages\.not_before": "sends without an answer",
    r"messages\.state IN \('held'\)": "messages that a hold keeps",
    r"messages WHERE messages\.lane IN|UPDATE messages SET turn .* lane": "what waits in a lane",
    r"UPDATE notices SET sealed_secret=.* notices\.valid_until <=": "codes whose time is over",
    r"orders\.wake_at": "orders whose clocks are due",
    r"FROM orders WHERE orders\.id > .* LIMIT": "orders to be indexed anew",
    r"DELETE FROM (causes|replies) WHERE .*at <": "what is forgotten after its time",
}


def parts_of(statement: str) -> Iterator[str]:
    """What a statement does to each table, where it does several things."""
    if re.match(r"WITH w\d+ AS", statement):
        yield from re.split(r"\bw\d+ AS \(", statement)[1:]
    else:
        yield statement


@pytest.fixture
def parts(postgres_url: str, rabbit_url: str) -> dict[str, Any]:
    return {"database_url": postgres_url, "broker_url": rabbit_url}


async def test_every_statement_names_its_order_or_is_one_that_asks_all(world: World) -> None:
    said: dict[str, None] = {}

    @happening.listens_for(world.ledger.engine.sync_engine, "before_cursor_execute")
    def keep(_connection: Any, _cursor: Any, statement: str, _values: Any, *_more: Any) -> None:
        if not statement.startswith(HOW_MANY):
            said.update(dict.fromkeys(parts_of(" ".join(statement.split()))))

    await live(world)
    concerned = [s for s in said if re.search(rf"(FROM|JOIN|INTO|UPDATE) ({_TABLE})\b", s)]
    assert len(concerned) > 30
    strange = [s for s in concerned if not NAMES_THE_ORDER.search(s) and not any(re.search(p, s) for p in ASKED_OF_ALL)]
    assert strange == [], "name the order in it, or say in docs/scaling.md why it asks all"
    unused = [words for pattern, words in ASKED_OF_ALL.items() if not any(re.search(pattern, s) for s in concerned)]
    assert unused == []


def test_the_page_names_what_asks_all_orders() -> None:
    page = " ".join((ROOT / "docs/scaling.md").read_text(encoding="utf-8").split())
    assert [words for words in ASKED_OF_ALL.values() if words not in page] == []

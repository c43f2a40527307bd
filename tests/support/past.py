"""Fills the tables with years of data in seconds.

Nothing is waiting in it, as at most times, and PostgreSQL's statistics say so; plans must be good for a burst, too.
"""

from sqlalchemy import text

from service.ledger.database.transaction import Transaction
from tests.support.nodes import connect

FILLED = (
    "orders",
    "order_people",
    "order_attributes",
    "order_parties",
    "timeline",
    "notices",
    "messages",
    "clocks",
    "escalations",
    "inbox",
)
# Sequential keys are faster to write, with the same plans.
_FILL = """
CREATE FUNCTION pg_temp.id(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$;
CREATE FUNCTION pg_temp.key(n bigint) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$ SELECT decode(lpad(to_hex(n), 32, '0'), 'hex') $$;
INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, breached, created_at, updated_at, wake_at, due_at, sealed_state)
SELECT pg_temp.id(n), 'w' || n % 4, 'o' || n, 's' || n % 10, 's', 0, n % 3 > 0, n % 500 = 0, now(), now() - n * interval '1 second',
       CASE WHEN n % 50 = 0 THEN now() + interval '1 day' END, CASE WHEN n % 50 = 0 THEN now() + interval '1 day' + n * interval '1 second' END, ''
FROM generate_series(1, {rows}) n;
INSERT INTO order_people (digest, order_id) SELECT pg_temp.key(n / 2), pg_temp.id(n) FROM generate_series(1, {rows}) n;
INSERT INTO order_attributes (digest, order_id) SELECT pg_temp.key(n % 1000), pg_temp.id(n) FROM generate_series(1, {rows}) n;
INSERT INTO order_parties (digest, order_id) SELECT pg_temp.key(n % 1000), pg_temp.id(n) FROM generate_series(1, {rows}) n;
INSERT INTO timeline (order_id, n, at, kind, sealed_detail) SELECT pg_temp.id(n), 1, now(), 'k', '' FROM generate_series(1, {rows}) n;
INSERT INTO notices (id, order_id, name, at, planned_at, stage_rank, supersedable, valid_until, sealed_snapshot)
SELECT pg_temp.id(n), pg_temp.id(n), 'n', now(), now(), 0, false, now(), '' FROM generate_series(1, {rows}) n;
INSERT INTO messages (id, order_id, notice_id, notice, channel, audience, lane, state, not_before, valid_until, when_unknown, secret, created_at, sealed_recipient)
SELECT pg_temp.id(n), pg_temp.id(n), pg_temp.id(n), 'n', (ARRAY['sms', 'email', 'push'])[n % 3 + 1], 'c', pg_temp.key(n),
       'sent', now(), now(), 'never', false, now() - n * interval '1 second', ''
FROM generate_series(1, {rows}) n;
INSERT INTO clocks (id, order_id, workflow, name, kind, team, started_at, due_at, state)
SELECT pg_temp.id(n), pg_temp.id(n), 'w', 'c', 'dwell', 't', now(), now() + n * interval '1 second',
       CASE WHEN n % 50 = 0 THEN 'running' ELSE 'met' END FROM generate_series(1, {rows}) n;
INSERT INTO escalations (id, order_id, workflow, order_name, team, reason, severity, state, level, causes, opened_at, changed_at, sealed_detail)
SELECT pg_temp.id(n), pg_temp.id(n), 'w', 'o' || n, 't' || n % 3, 'r' || n % 7, 'high', 'resolved',
       0, 1, now() - n * interval '1 second', now() - n * interval '1 second', '' FROM generate_series(1, {rows}) n;
INSERT INTO inbox (key, received_at, outcome) SELECT pg_temp.key(n), now(), 'accepted' FROM generate_series(1, {rows}) n;
ANALYZE
"""

_WAITING = """
INSERT INTO outbox (id, exchange, routing_key, message_id, content_type, body, created_at, attempts)
SELECT gen_random_uuid(), 'x' || n % 5, 'k', 'm' || n, '', '', now(), 0 FROM generate_series({first}, {last}) n
"""
# The rows that one statement can write within the statement timeout.
_PART = 30_000


async def fill_outbox(tx: Transaction, rows: int) -> None:
    """Messages that wait for a broker which was unavailable for hours; invisible before the commit."""
    for first in range(1, rows + 1, _PART):
        await tx.execute(text(_WAITING.format(first=first, last=min(first + _PART - 1, rows))))
    await tx.execute(text("ANALYZE outbox"))


async def fill(url: str, rows: int, *, logged: bool = True) -> None:
    """Past orders, each with a person, a notice, a message and a clock.

    Not `logged`: takes a third of the time, and the statistics do not change during a test.
    """
    connection = await connect(url)
    try:
        if not logged:
            await connection.execute(
                "".join(f"ALTER TABLE {t} SET UNLOGGED, SET (autovacuum_enabled = false);" for t in FILLED)
            )
        await connection.execute(_FILL.format(rows=rows))
    finally:
        await connection.close()

"""The tables of the durable peers, for the same guarantees as Stagebell's and no more.

An event counts once (inbox). Its order and messages are committed with it, before the broker gets the acknowledgement.
A message is marked before it is sent and after it was accepted, each with a receipt; a lease shows which messages a
dead process was sending.
"""

import os
from typing import Final

URL: Final = os.environ.get("BENCH_DATABASE", "")
LEASE_S: Final = 60
SCHEMA: Final = """
CREATE TABLE inbox (source text, id text, received_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (source, id));
CREATE TABLE orders (id text PRIMARY KEY, workflow text NOT NULL, status text NOT NULL, data jsonb NOT NULL,
                     updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE messages (id bigserial PRIMARY KEY, order_id text NOT NULL REFERENCES orders, url text NOT NULL, form jsonb NOT NULL,
                       state text NOT NULL DEFAULT 'pending', lease_until timestamptz, provider_id text,
                       created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz);
CREATE INDEX messages_pending ON messages (id) WHERE state = 'pending';
CREATE INDEX messages_sending ON messages (lease_until) WHERE state = 'sending';
CREATE INDEX messages_of_order ON messages (order_id);
CREATE INDEX messages_of_provider ON messages (provider_id) WHERE provider_id IS NOT NULL;
CREATE TABLE receipts (id bigserial PRIMARY KEY, message_id bigint NOT NULL REFERENCES messages, state text NOT NULL,
                       at timestamptz NOT NULL DEFAULT now());
CREATE INDEX receipts_of_message ON receipts (message_id);
"""
TAKE_IN: Final = "INSERT INTO inbox (source, id) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id"
KEEP_ORDER: Final = (
    "INSERT INTO orders (id, workflow, status, data) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (id) DO UPDATE SET status = excluded.status, data = excluded.data, updated_at = now()"
)
KEEP_MESSAGE: Final = "INSERT INTO messages (order_id, url, form) VALUES (%s, %s, %s)"
BEGIN_ORDERS: Final = (
    f"UPDATE messages SET state = 'sending', lease_until = now() + interval '{LEASE_S} s'"
    " WHERE order_id = %s AND state = 'pending' RETURNING id, url, form"
)
SENT: Final = "UPDATE messages SET state = 'sent', provider_id = %s, sent_at = now(), lease_until = NULL WHERE id = %s"
RECEIPT: Final = "INSERT INTO receipts (message_id, state) VALUES (%s, 'sent')"

"""Imports all tables, so that the metadata is complete for migrations, tests and documents."""

from service.ledger.access import tables as access
from service.ledger.attachments import tables as attachments
from service.ledger.auditing import tables as auditing
from service.ledger.conversations import tables as conversations
from service.ledger.database import tables as database
from service.ledger.escalations import tables as escalations
from service.ledger.lists import tables as lists
from service.ledger.messages import tables as messages
from service.ledger.orders import tables as orders
from service.ledger.words import tables as words

__all__ = [
    "access",
    "attachments",
    "auditing",
    "conversations",
    "database",
    "escalations",
    "lists",
    "messages",
    "orders",
    "words",
]

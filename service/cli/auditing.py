"""Audit lines of commands: who ran them, on which machine."""

import getpass
import os
import socket
from datetime import UTC, datetime
from typing import Any

from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.transaction import Transaction


def user() -> str:
    """The system's name of the user who runs this command."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"


async def keep(
    tx: Transaction,
    act: str,
    workflow: str = "",
    order_id: str = "",
    subject: str = "",
    **detail: Any,
) -> None:
    """Write a line about this command in the running transaction; `subject`: the key or account that it is about."""
    line = AuditLine(user(), "operator", act, workflow, order_id, socket.gethostname(), subject=subject, detail=detail)
    await write_audit(tx, [line], datetime.now(UTC))

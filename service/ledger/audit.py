"""Who saw and did what: names of keys and people at the desk, never of customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.engine import new_uuid
from service.ledger.tables_admin import audit
from service.ledger.upsert import insert_rows


class AuditLine(Struct, frozen=True):
    """One act."""

    who: str
    role: str
    act: str
    workflow: str = ""
    order_id: str = ""


async def write_audit(connection: AsyncConnection, lines: Sequence[AuditLine], now: datetime) -> None:
    """Keep these lines with what they are about, in the running transaction."""
    rows = [
        {"id": new_uuid(), "at": now, "who": x.who, "role": x.role, "act": x.act, "workflow": x.workflow,
         "order_name": x.order_id}
        for x in lines
    ]  # fmt: skip
    await insert_rows(connection, audit, rows)


async def newest(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The newest lines."""
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    return [
        {"at": r.at, "who": r.who, "role": r.role, "act": r.act, "workflow": r.workflow, "order_id": r.order_name}
        for r in await connection.execute(query)
    ]

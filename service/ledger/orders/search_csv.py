"""Lists of orders as CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from service.ledger.orders.search import ListedOrder
from service.lists.tabular import plain

CSV_COLUMNS: Final = (
    "workflow", "order_id", "status", "stage", "status_since", "days_in_status", "assignee", "created", "updated",
    "due", "expected_end", "overdue",
)  # fmt: skip


def as_csv(rows: Sequence[ListedOrder], now: datetime) -> str:
    """The list as CSV; values that spreadsheets would take for formulas are escaped."""
    out = io.StringIO()
    writer = csv.writer(out)
    attributes = list(dict.fromkeys(name for r in rows for name in r.shown))
    writer.writerow([*CSV_COLUMNS, *(f"attributes.{name}" for name in attributes)])
    for r in rows:
        days = round((now - r.status_since).total_seconds() / 86400, 1)
        writer.writerow(
            [
                plain(v)
                for v in (r.workflow, r.order_id, r.status, r.stage, r.status_since, days, r.assignee, r.created,
                          r.updated, r.due, r.expected_end, "yes" if r.overdue else "no",
                          *(r.shown.get(name) for name in attributes))
            ]
        )  # fmt: skip
    return out.getvalue()

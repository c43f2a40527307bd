"""Routes of the lists of an order."""

from service.lists.exporting import MEDIA
from service.lists.files import MOST_FILE_BYTES
from service.web import lists
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.route import Answer, Route
from service.web.schemas.lists import (
    ListPage,
    RowChange,
    RowChanged,
    RowsChecked,
    RowsMail,
    RowsMailed,
    RowsOrder,
    RowsTaken,
)

LISTS = (
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/lists/{list}", lists.get_rows, "agent", answer=ListPage,
        query=q.RowsQuery, forms=tuple(Answer("all rows", str, media) for media in MEDIA.values()),
        reach="parties", audit=AuditedAct("rows.listed"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}", lists.post_rows, "agent", RowsOrder,
        RowsTaken, 201, q.AddRowsQuery, reach="parties", audit=AuditedAct("rows.added"),
        most_bytes=MOST_FILE_BYTES,
        also={
            200: Answer("what would be added, and what is wrong: nothing was taken", RowsChecked),
            202: Answer("they are being added", RowsTaken),
        },
        bodies=("text/csv", "text/tab-separated-values"), takes_files=True,
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}/exports", lists.mail_rows, "supervisor",
        RowsMail, RowsMailed, 202, reach="orders", audit=AuditedAct("rows.mailed"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/lists/{list}/imports/{id}", lists.get_import, "agent",
        answer=RowsTaken, reach="parties", audit=AuditedAct("rows.import_seen", renews=True),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/lists/{list}/rows/{id}", lists.change_row, "agent",
        RowChange, RowChanged, reach="parties", audit=AuditedAct("row.changed"),
    ),
    Route(
        "DELETE", "/v1/orders/{workflow}/{order_id}/lists/{list}/rows/{id}", lists.remove_row, "agent", status=204,
        reach="parties", audit=AuditedAct("row.removed"),
    ),
)  # fmt: skip

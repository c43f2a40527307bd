"""Routes of the desk's board."""

from service.web.audited import AuditedAct
from service.web.desk import board, board_acts
from service.web.page_query_types import BoardQuery
from service.web.route import Route

DESK_ESCALATIONS = (
    Route(
        "GET",
        "/desk",
        board.board,
        "supervisor",
        page=True,
        query=BoardQuery,
        reach="orders",
        audit=AuditedAct("escalations.listed", renews=True),
    ),
    Route(
        "GET",
        "/desk/board",
        board.board_rows,
        "supervisor",
        page=True,
        query=BoardQuery,
        reach="orders",
        audit=AuditedAct("escalations.listed", renews=True),
    ),
    Route(
        "GET",
        "/desk/board/soon",
        board.soon,
        "supervisor",
        page=True,
        query=BoardQuery,
        reach="orders",
        audit=AuditedAct("escalations.listed", renews=True),
    ),
    Route(
        "POST",
        "/desk/escalations",
        board_acts.act_on_many,
        "supervisor",
        page=True,
        query=BoardQuery,
        reach="orders",
        audit=AuditedAct("escalations.handled"),
    ),
    Route(
        "GET",
        "/desk/handover",
        board_acts.show_handover,
        "supervisor",
        page=True,
        reach="orders",
        audit=AuditedAct("escalations.listed"),
    ),
    Route(
        "POST",
        "/desk/handover",
        board_acts.hand_over,
        "supervisor",
        page=True,
        reach="orders",
        audit=AuditedAct("escalations.handled"),
    ),
)

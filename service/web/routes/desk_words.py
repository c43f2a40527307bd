"""Routes of the desk's pages of words."""

from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.desk import words
from service.web.route import Route

DESK_WORDS = (
    Route(
        "GET",
        "/desk/words",
        words.words,
        "agent",
        page=True,
        query=q.WordsQuery,
        reach="workflows",
        audit=AuditedAct("words.listed"),
    ),
    Route(
        "GET",
        "/desk/words/{workflow}/{notice}",
        words.notice,
        "agent",
        page=True,
        query=q.NoticeWordsQuery,
        reach="workflows",
        audit=AuditedAct("words.seen"),
    ),
    Route(
        "POST",
        "/desk/words/{workflow}/{notice}",
        words.save,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("words.drafted"),
    ),
    Route(
        "POST",
        "/desk/words/{workflow}/{notice}/look",
        words.look,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("words.tried", renews=True),
    ),
    Route(
        "POST",
        "/desk/word-drafts/{id}/{act}",
        words.act,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("words.changed"),
    ),
)

"""More routes of the desk, about words, telling all, and who did what; part of the table in `page_routes`."""

from service.web import query_types as q
from service.web.audited import Act
from service.web.desk import words
from service.web.route import Route

DESK_PAGES = (
    Route("GET", "/desk/words", words.words, "agent", page=True, query=q.WordsQuery, audit=Act("words.listed")),
    Route(
        "GET",
        "/desk/words/{workflow}/{notice}",
        words.notice,
        "agent",
        page=True,
        query=q.NoticeWordsQuery,
        audit=Act("words.seen"),
    ),
    Route("POST", "/desk/words/{workflow}/{notice}", words.save, "supervisor", page=True, audit=Act("words.drafted")),
    Route(
        "POST",
        "/desk/words/{workflow}/{notice}/look",
        words.look,
        "supervisor",
        page=True,
        audit=Act("words.tried", renews=True),
    ),
    Route(
        "POST",
        "/desk/word-drafts/{id}/{act}",
        words.act,
        "supervisor",
        page=True,
        audit=Act("words.changed"),
    ),
)

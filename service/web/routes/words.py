"""Routes of the words of packs and their drafts."""

from service.foresight.backtesting import BackTest
from service.web import query_types as q
from service.web import word_drafts, words
from service.web.audited import AuditedAct
from service.web.route import Answer, Route
from service.web.schemas.words import (
    DraftAct,
    DraftApproval,
    DraftPage,
    NoticeWords,
    RollBack,
    WordDraft,
    WordsList,
    WordsOrder,
)

WORDS = (
    Route(
        "GET", "/v1/words", words.list_words, "agent", answer=WordsList, query=q.WordsQuery,
        also={200: Answer("what was published over the folder, for Git", str, "text/x-diff")},
        reach="workflows", audit=AuditedAct("words.listed"),
    ),
    Route(
        "GET", "/v1/words/{workflow}/{notice}", words.get_words, "agent", answer=NoticeWords,
        query=q.NoticeWordsQuery, reach="workflows", audit=AuditedAct("words.seen"),
    ),
    Route(
        "POST", "/v1/words/{workflow}/{notice}", words.save_words, "supervisor", WordsOrder,
        NoticeWords, reach="workflows", audit=AuditedAct("words.drafted"),
    ),
    Route(
        "GET", "/v1/word-drafts", word_drafts.list_drafts, "agent", answer=DraftPage,
        query=q.DraftsQuery, reach="workflows", audit=AuditedAct("words.listed"),
    ),
    Route(
        "GET", "/v1/word-drafts/{id}", word_drafts.get_draft, "agent", answer=WordDraft,
        query=q.OneDraftQuery, also={200: Answer("a patch for Git", str, "text/x-diff")}, reach="workflows",
        audit=AuditedAct("words.seen"),
    ),
    Route(
        "GET", "/v1/word-drafts/{id}/backtest", word_drafts.backtest_draft, "supervisor", answer=BackTest,
        query=q.BackTestQuery, reach="workflows", audit=AuditedAct("foresight.seen"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/approve", word_drafts.approve_draft, "supervisor", DraftApproval,
        WordDraft, reach="workflows", audit=AuditedAct("words.approved"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/publish", word_drafts.publish_draft, "supervisor", DraftAct,
        WordDraft, reach="workflows", audit=AuditedAct("words.published"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/drop", word_drafts.drop_draft, "supervisor", DraftAct,
        WordDraft, reach="workflows", audit=AuditedAct("words.dropped"),
    ),
    Route(
        "POST", "/v1/word-drafts/{id}/roll-back", word_drafts.roll_back_draft, "supervisor", RollBack,
        WordDraft, reach="workflows", audit=AuditedAct("words.rolled_back"),
    ),
)  # fmt: skip

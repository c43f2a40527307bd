"""What calls about words take and answer; the OpenAPI document is made from these types, too."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from service.ledger.words.drafts import State
from service.web.schemas.fields import Words

Text = Annotated[str, Meta(max_length=20_000)]
Version = Annotated[int, Meta(ge=0)]


class WordProblem(Struct):
    """A mistake: in which text (`file`; empty: in the notice as a whole) and in which line of it."""

    file: str
    line: int
    problem: str


class WordsSeen(Struct):
    """A text as its reader sees it. `segments`: 0 where nobody counts. `cost`: of each, where prices are known."""

    title: str
    text: str
    segments: int
    cost: str
    remark: str
    problem: str


class WordsText(Struct):
    """One text of a notice. `file`: below the pack's folder; `text`: as it is live, None where there is none.

    `kept`: whether the folder's counts, or one that was published over it. `draft`: as the open draft has it, else as
    it is live. `mark`: what to send as `seen` with a change of that. `seen`: how the draft looks.
    """

    file: str
    channel: str
    locale: str
    brand: str
    text: str | None
    kept: Literal["folder", "ledger"]
    draft: str | None
    mark: str
    seen: WordsSeen | None


class DraftChange(Struct):
    """One text of a draft: as it was live when it was written last, and as it is to be. `by`: who wrote it last."""

    file: str
    was: str | None
    now: str | None
    by: str


class WordDraft(Struct):
    """A draft of a notice's words, or what became of one.

    `version`: to be sent with what is done to it. `packs`: versions of the pack before and after it went live.
    `undoes`: the draft whose words it took back.
    """

    id: UUID
    workflow: str
    notice: str
    state: State
    version: int
    why: str
    authors: list[str]
    approved_by: str
    ended_by: str
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    packs: tuple[str, str]
    undoes: UUID | None
    texts: list[DraftChange]


class NoticeWords(Struct):
    """A notice with all its texts. `version`: of the pack; `problems`: of the draft, as `stagebell check` has them."""

    workflow: str
    notice: str
    title: str
    version: str
    texts: list[WordsText]
    draft: WordDraft | None
    problems: list[WordProblem]


class NoticeLine(Struct):
    """A notice in the list. `draft`: the id of its open draft, and how far that is."""

    notice: str
    title: str
    channels: list[str]
    locales: list[str]
    draft: UUID | None
    draft_state: State | None


class WordsOfPack(Struct):
    """The notices of a pack whose words stand in templates. `kept`: where published words go (setting WORDS)."""

    workflow: str
    title: str
    version: str
    kept: Literal["folder", "ledger"]
    notices: list[NoticeLine]


class WordsList(Struct):
    """Packs and their notices."""

    packs: list[WordsOfPack]


class TextWritten(Struct, forbid_unknown_fields=True):
    """A text as it is to be; None takes it away. `seen`: the `mark` of what stood there when it was begun."""

    text: Text | None
    seen: str = ""


class WordsOrder(Struct, forbid_unknown_fields=True):
    """Texts for the notice's draft, by file. `dry_run`: nothing is kept, they are only checked and shown."""

    texts: Annotated[dict[str, TextWritten], Meta(max_length=200)]
    why: Words = ""
    order_id: str = ""
    dry_run: bool = False


class DraftAct(Struct, forbid_unknown_fields=True):
    """What is done to a draft as it was at this `version`."""

    version: Version


class DraftApproval(DraftAct, forbid_unknown_fields=True):
    """That it may go live; `publish`: and that it does, at once."""

    publish: bool = False


class RollBack(Struct, forbid_unknown_fields=True):
    """Take it back."""

    why: Words = ""


class DraftPage(Struct):
    """Drafts, those that changed last first."""

    drafts: list[WordDraft]
    cursor: str

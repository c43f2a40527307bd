"""Composes the outgoing message from a claimed one, and the text that is stored, with codes masked."""

from datetime import timedelta
from uuid import UUID

from msgspec import Struct, structs

from service.channels.medium import Rendered
from service.channels.port import MailHeaders, OutgoingMessage, ReplyWindow
from service.channels.registry import spec_of
from service.dispatch.act_links import act_token
from service.dispatch.file_links import file_token
from service.dispatch.mail_links import mail_headers
from service.domain.growing import OF_ROW
from service.keyring import Keyring
from service.ledger.messages.claims import ClaimedMessage
from service.workflows.packs import Pack, Packs
from service.workflows.values import MASK, Links
from service.workflows.wording import worded

CALLBACK_PURPOSE = "callback"
LINK_PURPOSE = "link"


class Composed(Struct, frozen=True):
    """The message for the provider, and its text as it may be shown.

    `companions`: messages bundled with it, each with its own text.
    """

    outgoing: OutgoingMessage
    shown: Rendered
    companions: "tuple[tuple[ClaimedMessage, Composed], ...]" = ()


class Composer:
    """Renders messages by their packs."""

    def __init__(
        self,
        packs: Packs,
        keyring: Keyring,
        brand: str,
        public_url: str,
        mail_domain: str = "",
        link_life: timedelta = timedelta(days=30),
    ) -> None:
        self._packs = packs
        self._keyring = keyring
        self._brand = brand
        self._public_url = public_url
        self._mail_domain = mail_domain
        self._link_life = link_life

    def compose(self, claimed: ClaimedMessage, ttl_s: int, window: ReplyWindow | None = None) -> Composed:
        """Compose the message; raises Rejection, jinja2.TemplateError or ValueError where it cannot be rendered."""
        n = claimed.message
        brand = self._pack_of(claimed).workflow.brands.get(claimed.snapshot.brand)
        links = self._links(claimed)
        rendered = self.render(claimed, claimed.secret, links)
        shown = self.render(claimed, MASK, links) if n.secret else rendered
        token = self._keyring.token(CALLBACK_PURPOSE, n.id, whole=True)
        outgoing = OutgoingMessage(
            message_id=str(n.id),
            address=n.address,
            rendered=rendered,
            ttl_s=ttl_s,
            callback_url=f"{self._public_url}/callbacks/twilio/status?n={token}",
            data={"order_id": claimed.reference, "notice": n.notice, "link": links.tracking},
            mail=self._mail(claimed) if spec_of(n.channel).field == "email" else MailHeaders(),
            urgent=n.secret,
            senders=brand.senders.get(n.channel, ()) if brand else (),
            window=window,
        )
        return Composed(outgoing, shown)

    def _mail(self, claimed: ClaimedMessage) -> MailHeaders:
        """The mail headers: for bounces and replies, and unsubscribing, except from mandatory notices."""
        n = claimed.message
        workflow = self._pack_of(claimed).workflow.for_brand(claimed.snapshot.brand)
        brand = workflow.brands.get(claimed.snapshot.brand)
        must_be_told = n.secret or workflow.notices[n.notice].mandatory
        headers = mail_headers(
            self._keyring,
            n.id,
            domain=self._mail_domain,
            reply_to=workflow.reply_to,
            unsubscribe_at="" if must_be_told else self._public_url,
        )
        return structs.replace(headers, from_name=brand.title) if brand else headers

    def _pack_of(self, claimed: ClaimedMessage) -> Pack:
        return self._packs.for_order(claimed.workflow, claimed.version)

    def link(self, claimed: ClaimedMessage) -> str:
        """The link to the order's tracking page; empty for people of rows, who take no part in the order."""
        if claimed.message.audience == OF_ROW:
            return ""
        return f"{self._public_url}/t/{self.link_token(claimed.message.order_id, claimed.links)}"

    def act_link(self, claimed: ClaimedMessage) -> str:
        """The link to the assignee's page, in messages for the assignee only; else empty."""
        n, snapshot = claimed.message, claimed.snapshot
        assignee = snapshot.handlers.get(n.audience)
        if assignee is None or snapshot.assignee is None:
            return ""
        role = snapshot.assignee["role"]
        token = act_token(self._keyring, n.order_id, role, assignee, claimed.links, claimed.notice_at)
        return f"{self._public_url}/a/{token}"

    def link_token(self, order_id: UUID, generation: int) -> str:
        """The token of an order's tracking page; a new generation invalidates all earlier ones."""
        return self._keyring.token(f"{LINK_PURPOSE}{generation}", order_id)

    def _file_links(self, claimed: ClaimedMessage) -> dict[str, str]:
        """The links to the files of a public note, valid as long as tracking links."""
        until = claimed.notice_at + self._link_life
        files = (UUID(a.id) for a in claimed.snapshot.attachments)
        return {str(i): f"{self._public_url}/f/{file_token(self._keyring, i, until)}" for i in files}

    def _links(self, claimed: ClaimedMessage) -> Links:
        return Links(self.link(claimed), self.act_link(claimed), self._file_links(claimed))

    def render(self, claimed: ClaimedMessage, secret: str | None, links: Links | None = None) -> Rendered:
        """The text, with `secret` in place of the code."""
        return worded(
            self._pack_of(claimed),
            claimed.message,
            claimed.snapshot,
            claimed.notice_at,
            brand=self._brand,
            links=links or self._links(claimed),
            secret=secret,
        )

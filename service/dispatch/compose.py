"""From a claimed notification to the message that leaves, and to what is kept of it: codes only masked."""

from msgspec import Struct, structs

from service.dispatch.channels.port import Outgoing
from service.keyring import Keyring
from service.ledger.notifications import Claimed
from service.workflows.packs import Packs
from service.workflows.templates import Rendered
from service.workflows.values import MASK, template_values

CALLBACK_PURPOSE = "callback"
LINK_PURPOSE = "link"


class Composed(Struct, frozen=True):
    """The message for the provider, and its words as everybody else may see them."""

    outgoing: Outgoing
    shown: Rendered


class Composer:
    """Renders messages in the words of their pack."""

    def __init__(self, packs: Packs, keyring: Keyring, brand: str, public_url: str) -> None:
        self._packs = packs
        self._keyring = keyring
        self._brand = brand
        self._public_url = public_url

    def compose(self, claimed: Claimed, ttl_s: int) -> Composed:
        """Raises Rejection, jinja2.TemplateError or ValueError when the pack cannot say it."""
        n = claimed.notification
        rendered = self.render(claimed, claimed.secret)
        shown = self.render(claimed, MASK) if n.secret else rendered
        token = self._keyring.token(CALLBACK_PURPOSE, n.id, whole=True)
        outgoing = Outgoing(
            notification_id=str(n.id),
            address=n.address,
            rendered=rendered,
            ttl_s=ttl_s,
            callback_url=f"{self._public_url}/callbacks/twilio/status?n={token}",
            data={"order_id": claimed.order_name, "notice": n.notice, "link": self.link(claimed)},
        )
        return Composed(outgoing, shown)

    def link(self, claimed: Claimed) -> str:
        """The order's tracking page."""
        return f"{self._public_url}/t/{self._keyring.token(LINK_PURPOSE, claimed.notification.order_id)}"

    def render(self, claimed: Claimed, secret: str | None) -> Rendered:
        """The words, with `secret` where the code belongs."""
        n = claimed.notification
        pack = self._packs.get(claimed.workflow)
        notice = pack.workflow.notices[n.notice]
        values = template_values(
            pack.workflow,
            n.notice,
            claimed.snapshot,
            locale=n.locale,
            timezone=n.timezone,
            name=n.name,
            brand=self._brand,
            link=self.link(claimed),
            secrets={notice.secret: secret} if notice.secret and secret else {},
        )
        content = notice.content.get(n.locale) if n.channel == "whatsapp" else None
        rendered = pack.templates.render(n.locale, n.notice, n.channel, values, content)
        return structs.replace(rendered, title=rendered.title[:500])

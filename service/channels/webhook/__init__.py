"""Signed webhooks, for readers that are machines: they get data instead of text."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from service.channels.channel import Channel, NoSettings, Surroundings
from service.channels.medium import Facts, Medium, Rendered
from service.channels.port import Provider

_FOR_MACHINES: Final = (
    "link", "assignee", "eta", "appointment", "price", "payment", "note", "attributes", "people",
)  # fmt: skip


class WebhookMedium(Medium):
    """Type, timestamp and data, as Standard Webhooks recommends."""

    has_templates = False

    def body(self, facts: Facts, values: Mapping[str, Any]) -> Rendered:
        """The order's facts as JSON."""
        data = {"workflow": facts.workflow, "order_id": facts.order_id, "notice": facts.notice}
        data |= {"audience": facts.audience, "status": facts.snapshot.status, "stage": facts.snapshot.stage}
        data |= {"brand": facts.snapshot.brand} if facts.snapshot.brand else {}
        data |= {name: values[name] for name in _FOR_MACHINES if values[name]}
        body = {"type": f"order.{facts.notice}", "timestamp": facts.at, "data": data}
        return Rendered(text=msgspec.json.encode(body).decode())


def _providers(_settings: NoSettings, around: Surroundings) -> list[Provider]:
    from service.channels.webhook.provider import WebhookProvider

    return [WebhookProvider(around.webhooks)]


WEBHOOK: Final = Channel(
    name="webhook",
    title="Webhook",
    address="webhook",
    needs="nothing",
    providers=_providers,
    medium=WebhookMedium(),
    tells="sent",
)

"""The work of every peer: receive an order event, render three messages, send three POSTs."""

import json
import os
from typing import Any

from jinja2 import Environment

URL = os.environ.get("BENCH_PROVIDER", "")
AMQP = os.environ.get("BENCH_AMQP", "")
QUEUE = os.environ.get("BENCH_QUEUE", "bench")
_env = Environment(autoescape=False)
TEMPLATES = [
    _env.from_string("{{ brand }}: your partner {{ name }} has arrived for order {{ order }}. {{ link }}"),
    _env.from_string("*Your partner has arrived*\n\n{{ name }} is at your door for order {{ order }}.\n\n{{ link }}"),
    _env.from_string("Your partner has arrived\n{{ name }} is at your door for order {{ order }}."),
]
PATHS = [f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"] * 2 + ["/v1/projects/bench/messages:send"]


def messages(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(address, form) of the three messages of an event."""
    event = json.loads(body)
    person = event["data"]["recipients"]["customer"]
    values = {
        "brand": "Bench",
        "name": "Ravi",
        "order": event["subject"],
        "link": f"https://t.example/t/{event['subject']}",
    }
    return [
        (URL + path, {"To": person["phone"], "From": "+15005550006", "Body": template.render(values)})
        for path, template in zip(PATHS, TEMPLATES, strict=True)
    ]

"""Dramatiq 2: two processes with eight threads, an HTTP session in each thread."""

import json
import threading

import dramatiq
import requests
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench import work

dramatiq.set_broker(RabbitmqBroker(url=work.AMQP))
local = threading.local()


@dramatiq.actor(queue_name=work.QUEUE, max_retries=0)
def order(event: dict) -> None:  # type: ignore[type-arg]
    if not hasattr(local, "session"):
        local.session = requests.Session()
    for url, form in work.messages(json.dumps(event).encode()):
        local.session.post(url, data=form).raise_for_status()

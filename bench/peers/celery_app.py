"""Celery 5: two processes, late acknowledgement, an HTTP session in each."""

import json

import requests
from celery import Celery

from bench import work

app = Celery("bench", broker=work.AMQP)
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=25, task_ignore_result=True, task_default_queue=work.QUEUE,
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=True, task_serializer="json",
)  # fmt: skip
session = requests.Session()


@app.task(name="bench.order")
def order(event: dict) -> None:  # type: ignore[type-arg]
    for url, form in work.messages(json.dumps(event).encode()):
        session.post(url, data=form).raise_for_status()

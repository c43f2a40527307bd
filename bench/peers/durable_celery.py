"""Celery with psycopg: two processes, late acknowledgement; a redelivered task continues where the last try ended."""

import json
from typing import Any

import psycopg
import requests
from celery import Celery
from celery.signals import worker_process_init
from psycopg.types.json import Jsonb

from bench import work
from bench.peers import store

app = Celery("bench", broker=work.AMQP)
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=25, task_ignore_result=True, task_default_queue=work.QUEUE,
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=True, task_serializer="json",
)  # fmt: skip
session = requests.Session()
connections: list[psycopg.Connection[Any]] = []


@worker_process_init.connect
def connect(**_: Any) -> None:
    connections[:] = [psycopg.connect(store.URL)]


@app.task(name="bench.order")
def order(event: dict) -> None:  # type: ignore[type-arg]
    name, data = event["subject"], event["data"]
    db = connections[0]
    with db.transaction():
        if db.execute(store.TAKE_IN, (event["source"], event["id"])).fetchone():
            db.execute(store.KEEP_ORDER, (name, data["workflow"], data["status"], Jsonb(data)))
            rows = [(name, url, Jsonb(form)) for url, form in work.messages(json.dumps(event).encode())]
            with db.cursor() as cursor:
                cursor.executemany(store.KEEP_MESSAGE, rows)
    with db.transaction():
        begun = db.execute(store.BEGIN_ORDERS, (name,)).fetchall()
    sent = []
    for message, url, form in begun:
        answer = session.post(url, data=form)
        answer.raise_for_status()
        sent.append((answer.json()["sid"], message))
    with db.transaction(), db.cursor() as cursor:
        cursor.executemany(store.SENT, sent)
        cursor.executemany(store.RECEIPT, [(message,) for _, message in sent])

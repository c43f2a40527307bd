"""What a customer may see of an order."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from service.domain.events import Appointment


class TrackingStage(Struct):
    """A stage as the customer sees it."""

    name: str
    title: str
    state: Literal["done", "current", "next"]


class TrackingAssignee(Struct):
    """Who comes; the contact is masked."""

    name: str
    contact: str


class TrackingSupport(Struct):
    """Whom the customer may ask for help."""

    phone: str
    email: str
    hours: str


class TrackingReply(Struct):
    """What the customer may say now: `POST /t/{token}/replies/{reply}`."""

    reply: str
    title: str


class TrackingPart(Struct):
    """A part of the order, as the customer sees it. `late`: its ETA is past."""

    order_id: str
    stage: str
    stage_title: str
    eta: datetime | None
    late: bool
    final: bool
    failed: bool


class Tracking(Struct):
    """What a customer may see of an order, and nothing else. `late`: the ETA is past; `says`: what the status means."""

    workflow: str
    order_id: str
    brand: str
    stage: str
    stage_title: str
    next_stage: str | None
    stages: list[TrackingStage]
    eta: datetime | None
    appointment: Appointment | None
    assignee: TrackingAssignee | None
    final: bool
    failed: bool
    updated: datetime
    locale: str
    late: bool
    says: str
    support: TrackingSupport | None
    replies: list[TrackingReply]
    parts: list[TrackingPart]

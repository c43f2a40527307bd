"""Prometheus metrics: what a supervisor could alert on."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)

events = Counter("stagebell_events", "Received events, by outcome.", ["outcome"])
duplicates_differing = Counter(
    "stagebell_duplicates_differing", "Events that reuse the id of an earlier event with other content."
)
event_lag = Histogram("stagebell_event_lag_seconds", "Age of an event when it was decided.", buckets=_SECONDS)
sends = Counter("stagebell_sends", "Send attempts, by channel and outcome.", ["channel", "outcome"])
time_to_send = Histogram(
    "stagebell_event_to_send_seconds",
    "Time from the event to the provider's acceptance.",
    ["channel"],
    buckets=_SECONDS,
)
provider_seconds = Histogram(
    "stagebell_provider_seconds", "How long a provider took to answer.", ["channel", "provider"], buckets=_SECONDS
)
receipts = Counter("stagebell_receipts", "Delivery receipts, by status.", ["channel", "status"])
replies = Counter("stagebell_replies", "Incoming messages, by channel and outcome.", ["channel", "outcome"])
caps_near = Counter("stagebell_caps_near", "Caps that reached 80 %, counted once a day each.", ["channel", "cap"])
oldest_pending = Gauge(
    "stagebell_oldest_pending_seconds", "Age of the oldest message that is due and not sent yet.", ["channel"]
)
outbox_age = Gauge("stagebell_outbox_age_seconds", "Age of the oldest message that has not reached the broker.")
clock_lateness = Histogram(
    "stagebell_clock_lateness_seconds", "From a clock's due time to acting on it.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300),
)  # fmt: skip
clock_breaches = Counter("stagebell_clock_breaches", "Promises broken.", ["workflow", "clock"])
escalations = Counter("stagebell_escalations", "Changes of escalations.", ["team", "reason", "step"])
breaker_open = Gauge(
    "stagebell_provider_breaker_open", "1 while the provider's circuit breaker is open.", ["channel", "provider"]
)
provider_refuses = Gauge("stagebell_provider_refuses", "1 while a provider refuses us.", ["channel", "provider"])
provider_errors = Counter(
    "stagebell_provider_errors", "Unexpected exceptions from a provider's client.", ["channel", "provider"]
)
provider_unknown_codes = Counter(
    "stagebell_provider_unknown_codes", "Answers with a code that the provider's published list lacks.", ["provider"]
)
queue_depth = Gauge("stagebell_queue_depth", "Messages waiting at the broker.", ["queue"])
orders_in_two_partitions = Counter(
    "stagebell_orders_in_two_partitions", "Orders whose events came by two of intake's partitions."
)
relay_given_up = Counter("stagebell_relay_given_up", "Team calls and report mails dropped undelivered.", ["exchange"])
relayed = Counter("stagebell_relayed", "Messages from the outbox that the broker confirmed.")
listening = Gauge("stagebell_listening", "1 while LISTEN/NOTIFY between processes works (PostgreSQL).")
stream_listeners = Gauge("stagebell_stream_listeners", "Open readers of the escalation stream.")
stream_dropped = Counter("stagebell_stream_dropped", "Stream readers disconnected: too slow.")

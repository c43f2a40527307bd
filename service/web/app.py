"""The HTTP application: routes and middleware."""

from aiohttp import web

from service.web import callbacks, contract, events, inbox, ops, orders
from service.web.context import CONTEXT, Context
from service.web.problems import problems


def build(context: Context, *, everything: bool = True) -> web.Application:
    """All routes, or only what operators ask when this process has no web role."""
    app = web.Application(middlewares=[problems], client_max_size=events.MAX_REQUEST_BYTES)
    app[CONTEXT] = context
    app.router.add_get("/healthz", ops.healthz)
    app.router.add_get("/readyz", ops.readyz)
    app.router.add_get("/metrics", ops.metrics)
    if everything:
        inbox.prepare(app)
        app.router.add_post("/v1/events", events.post_events)
        app.router.add_get("/v1/orders/{workflow}/{order_id}", orders.get_order)
        app.router.add_post("/callbacks/twilio/status", callbacks.twilio_status)
        app.router.add_post("/callbacks/twilio/inbound", callbacks.twilio_inbound)
        app.router.add_get("/asyncapi.json", contract.get_asyncapi)
        app.router.add_get("/schemas/{type}.json", contract.get_schema)
        app.router.add_get("/desk/inbox", inbox.inbox)
    return app

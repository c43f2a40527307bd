"""The order behind an assignee's link, which lets whoever handles the order work without an account.

The link ends when somebody else gets the order, when the order's links are revoked, and `LINK_DAYS` after it was made.
Once the order has ended it shows that, and nothing can be done by it.
"""

from datetime import timedelta

from aiohttp import web

from service.dispatch.act_links import act_token, is_of_assignee, named_by
from service.domain.link_acts import has_page
from service.domain.order import Order
from service.domain.scopes import EVERYTHING
from service.domain.workflow import Workflow
from service.earlier_packs import recall
from service.ledger.orders.locking import find_by_id
from service.web.clients import refuse_guess
from service.web.context import CONTEXT, Context
from service.web.problems import Problem


async def assigned_order(request: web.Request) -> tuple[Order, Workflow]:
    """The order behind the token, with its brand's workflow; every wrong token gets the same Problem."""
    context = request.app[CONTEXT]
    orders, token = context.orders, request.match_info["token"]
    named = named_by(orders.keyring, token)
    if named is not None:
        async with orders.ledger.reading() as tx:
            order = await find_by_id(tx, named.order_id, scope=EVERYTHING)
            if order is not None:
                await recall(tx, orders.packs, [(order.workflow, order.version)])
        ends = named.made + timedelta(days=context.settings.link_days)
        if order is not None and is_of_assignee(orders.keyring, token, order) and orders.time.now().date() <= ends:
            workflow = orders.packs.for_order(order.workflow, order.version).workflow.for_brand(order.brand)
            if order.assignee and has_page(workflow, order.assignee.role) and order.status in workflow.statuses:
                return order, workflow
    raise await refuse_guess(request, Problem(404, "No such page", "the link is not valid, or not valid any more"))


def act_link_of(context: Context, order: Order, workflow: Workflow) -> str:
    """The address of the current assignee's page, for an agent to pass on; empty where there is none."""
    a = order.assignee
    if a is None or not has_page(workflow, a.role) or workflow.is_final(order.status):
        return ""
    token = act_token(context.orders.keyring, order.id, a.role, a.id, order.links, context.orders.time.now())
    return f"{context.settings.public_url}/a/{token}"

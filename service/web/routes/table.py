"""Every route: the application, who may do what, and the OpenAPI document are made from this table.

`service.web.route` says what a line holds.
"""

from service.web.routes.desk_admin import DESK_ADMIN
from service.web.routes.desk_escalations import DESK_ESCALATIONS
from service.web.routes.desk_messages import DESK_MESSAGES
from service.web.routes.desk_orders import DESK_ORDERS
from service.web.routes.desk_reports import DESK_REPORTS
from service.web.routes.desk_words import DESK_WORDS
from service.web.routes.escalations import ESCALATIONS
from service.web.routes.lists import LISTS
from service.web.routes.messages import MESSAGES
from service.web.routes.open import CONTRACT_AND_CALLBACKS, LINKED, LINKED_DATA, PROBES
from service.web.routes.orders import ORDERS
from service.web.routes.people import PEOPLE
from service.web.routes.reports import REPORTS
from service.web.routes.words import WORDS

OPERATIONS = PROBES
API = (*ORDERS, *LISTS, *MESSAGES, *WORDS, *ESCALATIONS, *REPORTS, *PEOPLE, *LINKED_DATA)
PAGES = (
    *CONTRACT_AND_CALLBACKS,
    *LINKED,
    *DESK_ADMIN,
    *DESK_ESCALATIONS,
    *DESK_MESSAGES,
    *DESK_ORDERS,
    *DESK_REPORTS,
    *DESK_WORDS,
)

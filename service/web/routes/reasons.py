"""Why a route leaves nothing in the audit log, and why one takes no key."""

from service.web.audited import Unaudited
from service.web.route import Open

NUMBERS = Unaudited("shows numbers, of nobody in particular")
OWN = Unaudited("a customer's own page of their own order, opened by mail programs and link previews too")
THEIRS = Unaudited("an order's own page of whoever handles it, opened by link previews too")
TIMELINE = Unaudited("reads nothing; what it changes stands in the order's timeline and the inbox of events")
SELF = Unaudited("shows whoever asks that they are signed in, and nothing of orders or people")
FORM = Unaudited("shows an empty form, and nothing of orders or people")
PUBLIC = Unaudited("is public")
PROBE = Unaudited("shows whether the service works, and nothing of orders or people")

LINK = Open("whoever has the signed link")
SIGNED = Open("Twilio signs what it sends")
CONTRACT = Open("the contract is public")
SIGN_IN = Open("nobody is signed in before they have signed in")
FOR_MACHINES = Open("probes and collectors hold no key; it shows nothing of orders or people")

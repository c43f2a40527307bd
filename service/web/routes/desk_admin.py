"""Routes of the desk's pages for signing in and for running the service."""

from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.desk import admin, board, sign_in, tools
from service.web.desk import audit as audit_page
from service.web.oidc import begin_oidc, end_oidc
from service.web.page_query_types import DeadQuery, SignInQuery
from service.web.route import Route
from service.web.routes.reasons import NUMBERS, PUBLIC, SELF, SIGN_IN

DESK_ADMIN = (
    Route("GET", "/", board.go_to_desk, SIGN_IN, audit=PUBLIC),
    Route(
        "GET", "/desk/audit", audit_page.audit, "admin", page=True, query=q.AuditQuery, audit=AuditedAct("audit.read")
    ),
    Route(
        "GET",
        "/desk/dead",
        tools.dead,
        "supervisor",
        page=True,
        query=DeadQuery,
        audit=AuditedAct("dead_letters.listed"),
    ),
    Route("GET", "/desk/admin", admin.admin, "admin", page=True, audit=AuditedAct("keys.listed", renews=True)),
    Route("POST", "/desk/admin/keys", admin.make_key, "admin", page=True, audit=AuditedAct("key.created")),
    Route("POST", "/desk/admin/keys/revoke", admin.revoke_key, "admin", page=True, audit=AuditedAct("key.revoked")),
    Route(
        "GET",
        "/desk/admin/people",
        admin.find_person,
        "admin",
        page=True,
        query=q.PersonQuery,
        audit=AuditedAct("person.seen"),
    ),
    Route(
        "GET",
        "/desk/admin/people/{address}",
        admin.person,
        "admin",
        page=True,
        query=q.OfCountry,
        audit=AuditedAct("person.seen"),
    ),
    Route(
        "POST",
        "/desk/admin/people/{address}/erase",
        admin.forget,
        "admin",
        page=True,
        query=q.OfCountry,
        audit=AuditedAct("person.erasure_asked", before=True),
    ),
    Route(
        "POST",
        "/desk/dead/all/{act:replay|drop}",
        admin.act_on_all_letters,
        "admin",
        page=True,
        audit=AuditedAct("dead_letters", before=True),
    ),
    Route(
        "POST",
        "/desk/dead/{number}/{act:replay|drop}",
        tools.act_on_dead,
        "admin",
        page=True,
        query=q.LetterQuery,
        audit=AuditedAct("dead_letter", before=True),
    ),
    Route("GET", "/desk/health", tools.health, "supervisor", page=True, audit=NUMBERS),
    Route("GET", "/desk/sign-in", sign_in.show_sign_in, SIGN_IN, query=SignInQuery, audit=PUBLIC),
    Route("POST", "/desk/sign-in", sign_in.sign_in, SIGN_IN, guesses="sign-in", audit=AuditedAct("signed_in")),
    Route("GET", "/desk/signed-in", sign_in.show_signed_in, "agent", page=True, reach="parties", audit=SELF),
    Route("POST", "/desk/sign-out", sign_in.sign_out, SIGN_IN, audit=AuditedAct("signed_out")),
    Route("GET", "/desk/sign-in/oidc", begin_oidc, SIGN_IN, query=SignInQuery, audit=PUBLIC),
    Route("GET", "/desk/sign-in/oidc/callback", end_oidc, SIGN_IN, lenient=True, audit=AuditedAct("signed_in")),
)

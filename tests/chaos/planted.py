"""Is the harness any good? Plants one known bug at a time in a copy of the source; the named tests must catch each.

`python -m tests.chaos.planted` prints a table and ends with 1 if any bug gets away.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Bug(NamedTuple):
    """`old` becomes `new` in `file`; `caught_by` is what pytest is given."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str


BUGS = [
    Bug("acknowledged before the commit", "service/intake/loop.py",
        "await self._intake.take_until_committed([incoming(d) for d in deliveries])",
        "await self._subscription.ack(deliveries); await self._intake.take_until_committed([incoming(d) for d in deliveries])",
        "tests/chaos -k named_point"),
    Bug("no fencing", "service/dispatch/settle.py", "outcome.fencing_token != row.fencing_token", "False",
        "tests/integration/test_dispatch.py -k fence"),
    Bug("what never left counts as sent", "service/domain/settling.py", "never_sent = missing and not n.provider",
        "never_sent = False", "tests/integration/test_dispatch.py -k after_a_crash"),
    Bug("receipt ranks ignored", "service/domain/settling.py", "    if n.state in FINAL_STATES:\n        return n\n    rank",
        "    rank", "tests/integration/test_dispatch.py -k never_go_back"),
    Bug("outbox forgotten before the confirm", "service/relay/relay.py",
        "        failpoint(\"relay.before_publish\")\n", "        await self._settle(messages, [])\n",
        "tests/chaos/test_relay.py"),
    Bug("published without a confirm", "service/broker/rabbitmq.py", "open_channel(self._publishing, confirms=True)",
        "open_channel(self._publishing, confirms=False)",
        "tests/integration/test_broker.py -k confirmed"),
    Bug("redeliveries count again", "service/intake/deciding.py", "if earlier and _is_repeat(earlier.outcome, r):", "if False:",
        "tests/integration/test_device_pickup.py -k redelivery"),
    Bug("lanes may overtake", "service/ledger/messages/claims.py", "        ~in_front,\n", "",
        "tests/integration/test_dispatch.py -k lanes"),
    Bug("a clock breaches twice", "service/domain/clocks/acting.py", 'replace(clock, state="breached", warned=True, noticed_late_s=late)',
        "replace(clock, warned=True, due=clock.due + timedelta(minutes=1), noticed_late_s=late)", "tests/property"),
    Bug("pauses are ignored", "service/domain/clocks/running.py", "    pausing = draft.order.status in spec.paused_in\n", "    pausing = False\n",
        "tests/unit/test_clocks.py"),
    Bug("a stale code is sent", "service/domain/notices.py", "    if now >= n.valid_until:\n", "    if False:\n",
        "tests/integration/test_device_pickup.py -k stale_code"),
    Bug("money is sent again", "service/domain/settling.py", '    may_resend = n.when_unknown == "resend" or', '    may_resend = n.when_unknown != "x" or',
        "tests/integration/test_dispatch.py -k money"),
    Bug("the code stays in the ledger", "service/dispatch/settle.py", "            await housekeeping.erase_settled_secrets(u.tx, secret_notices)\n", "",
        "tests/integration/test_dispatch.py -k erased_once_sent"),
    Bug("callbacks are not checked", "service/web/callbacks.py", "if signature and validator.validate(url, form, signature):", "if True:",
        "tests/integration/test_dispatch.py -k never_go_back"),
    Bug("Retry-After is ignored", "service/domain/settling.py", "max(timedelta(seconds=at_least), ", "max(timedelta(0), ",
        "tests/integration/test_dispatch.py -k 429"),
    Bug("opt-outs are forgotten", "service/dispatch/preparing.py", "opted_out=c.opted_out,", "opted_out=False,",
        "tests/integration/test_dispatch.py -k stop_and_start"),
    Bug("a sent code reads every message", "service/ledger/messages/housekeeping.py", "and_(messages.c.order_id == notices.c.order_id, ", "and_(",
        "tests/integration/test_statements.py"),
    Bug("the dead are waited for", "service/takeover.py", "        if gone:\n            await self._take_over(gone)\n", "",
        "tests/integration/test_takeover.py -k no_lease"),
    Bug("what may have left is called superseded", "service/domain/settling.py", "elif n.error_code == MISSING:", "elif False:",
        "tests/unit/test_notices.py -k dead_process"),
    Bug("a begun send goes back to pending", "service/ledger/messages/housekeeping.py", ".where(left, messages.c.send_begun)", ".where(left, ~messages.c.send_begun)",
        "tests/integration/test_dispatch.py -k lapsed"),
    Bug("handed over before the commit", "service/dispatch/straight.py", '        failpoint("straight.before_write")\n',
        "        _hand_over(self.sends)\n        self.sends = []\n", "tests/integration/test_straight.py -k failed_sends_nothing"),
    Bug("what a lost commit began is sent unasked", "service/dispatch/straight.py", "if s.claimed.message.id in ours]", "]",
        "tests/integration/test_straight.py -k failed_sends_nothing"),
    Bug("a lost commit is not asked for", "service/dispatch/straight.py", "if carried.sends and is_transient(error):", "if False:",
        "tests/integration/test_straight.py -k answer_is_lost"),
    Bug("the straight way overtakes", "service/dispatch/straight.py", "if p.lane not in busy and", "if",
        "tests/integration/test_straight.py -k overtakes"),
    Bug("the straight way forgets opt-outs", "service/dispatch/straight.py", "(p.message.channel, p.message.address) not in silent]", "True]",
        "tests/integration/test_straight.py -k opted_out"),
    Bug("the straight way stores the code", "service/dispatch/preparing.py", "replace(c, secret=\"0\" * len(c.secret)) if c.secret else c", "replace(c, message=replace(c.message, secret=False))",
        "tests/integration/test_straight.py -k never_stored"),
]  # fmt: skip


def planted(bug: Bug) -> str:
    """The source with the bug in it; exits where the source has changed, or would not even compile."""
    text = (ROOT / bug.file).read_text()
    if text.count(bug.old) != 1:
        raise SystemExit(f"{bug.name}: {bug.file} has changed; bring tests/chaos/planted.py up to date")
    spoilt = text.replace(bug.old, bug.new)
    compile(spoilt, bug.file, "exec")
    return spoilt


def caught(bug: Bug) -> bool:
    """Whether the tests fail with the bug in."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "docs"))
        (copy / bug.file).write_text(planted(bug))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *bug.caught_by.split()]
        env = {"PYTHONPATH": str(copy), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder}
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=400, check=False)
        return done.returncode == 1


def main() -> int:
    """The exit code."""
    away = []
    for bug in BUGS:
        found = caught(bug)
        print(f"{'caught' if found else 'GOT AWAY':<9} {bug.name:<42} {bug.caught_by}", flush=True)
        away += [] if found else [bug.name]
    print(f"{len(BUGS) - len(away)} of {len(BUGS)} caught")
    return 1 if away else 0


if __name__ == "__main__":
    sys.exit(main())

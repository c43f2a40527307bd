"""A private Postfix as relay and as receiving server, with its own settings, queue, ports and certificate."""

import base64
import datetime
import grp
import ipaddress
import os
import pwd
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.nodes import wait_for_port
from tests.support.ports import free_port

USER, PASSWORD = "stagebell", "a password for tests"
DAEMONS = Path("/usr/lib/postfix/sbin")
# Debian's services without chroot, as the folder is private.
_SERVICES = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class _Passwords(socketserver.StreamRequestHandler):
    """Dovecot's authentication protocol 1.1, as far as Postfix needs it to check one user by PLAIN."""

    def handle(self) -> None:
        """Handshake, then answer each AUTH."""
        self.wfile.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n")
        for line in self.rfile:
            verb, *words = line.decode().rstrip("\n").split("\t")
            if verb != "AUTH":
                continue
            given = next((w.removeprefix("resp=") for w in words if w.startswith("resp=")), "")
            fits = base64.b64decode(given) == f"\0{USER}\0{PASSWORD}".encode()
            said = f"OK\t{words[0]}\tuser={USER}" if fits else f"FAIL\t{words[0]}\tuser={USER}"
            self.wfile.write(f"{said}\n".encode())


class _PasswordServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Postfix:
    """Accepts mail from authenticated users over TLS. `asha@example.com` and `jörg@example.com` have mailboxes here.

    Mail to `gone.example` bounces; mail to `in.stagebell.example` is delivered to `lmtp_port`.
    """

    def __init__(self, lmtp_port: int, *, smtputf8: bool = True) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="stagebell-postfix-"))
        self.port = free_port()
        self.log = self.home / "log"
        self.certificate = self.home / "certificate.pem"
        self._passwords = _PasswordServer(("127.0.0.1", 0), _Passwords)
        threading.Thread(target=self._passwords.serve_forever, daemon=True).start()
        self.home.chmod(0o755)
        for folder in ("etc", "queue", "data", "mail"):
            (self.home / folder).mkdir()
        owner = pwd.getpwnam("postfix")
        for folder in ("data", "mail"):
            os.chown(self.home / folder, owner.pw_uid, owner.pw_gid)
        _write_certificate(self.home / "key.pem", self.certificate)
        (self.home / "etc/master.cf").write_text(_SERVICES.format(port=f"127.0.0.1:{self.port}"))
        (self.home / "etc/main.cf").write_text(self._settings(lmtp_port, smtputf8, owner))
        self._run("check")
        self.process = subprocess.Popen(
            ["postfix", "-c", str(self.home / "etc"), "start-fg"],
            stdout=subprocess.DEVNULL, stderr=(self.home / "errors").open("wb"), start_new_session=True,
        )  # fmt: skip
        self.log.touch()
        wait_for_port(self.port, self.process, self.log)

    def _settings(self, lmtp_port: int, smtputf8: bool, owner: pwd.struct_passwd) -> str:
        group = grp.getgrnam("postdrop").gr_name
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.home / "queue",
            "data_directory": self.home / "data",
            "daemon_directory": DAEMONS,
            "command_directory": "/usr/sbin",
            "mail_owner": "postfix",
            "setgid_group": group,
            "maillog_file": self.log,
            "maillog_file_prefixes": self.home,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "relay.example",
            "mydestination": "",
            "smtputf8_enable": "yes" if smtputf8 else "no",
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_cert_file": self.certificate,
            "smtpd_tls_key_file": self.home / "key.pem",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{self._passwords.server_address[1]}",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "default_transport": "discard",
            "virtual_mailbox_domains": "example.com",
            "virtual_mailbox_base": self.home / "mail",
            "virtual_mailbox_maps": "inline:{ {asha@example.com = asha/}, {jörg@example.com = joerg/} }",
            "virtual_uid_maps": f"static:{owner.pw_uid}",
            "virtual_gid_maps": f"static:{owner.pw_gid}",
            # The server there rejects everybody at `gone.example`, so that accepted mail must bounce.
            "transport_maps": f"inline:{{ {{gone.example = lmtp:inet:127.0.0.1:{lmtp_port}}}, "
            f"{{in.stagebell.example = lmtp:inet:127.0.0.1:{lmtp_port}}} }}",
        }
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", str(self.home / "etc"), command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def url(self, password: str = PASSWORD) -> str:
        """The value for STAGEBELL_SMTP_URL."""
        return f"smtp+starttls://{USER}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}"

    def received(self, mailbox: str) -> list[bytes]:
        """The mails in a mailbox (`asha` or `joerg`)."""
        return [file.read_bytes() for file in (self.home / "mail" / mailbox / "new").glob("*")]

    def close(self) -> None:
        """Stop and delete."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while self.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self._passwords.shutdown()
        self._passwords.server_close()
        shutil.rmtree(self.home, ignore_errors=True)


def _write_certificate(key_file: Path, certificate_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.example")])
    today = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key_file.chmod(0o600)
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))

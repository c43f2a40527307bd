"""Which addresses webhooks may go to."""

import socket
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from service.keyring import Keyring
from service.webhook_targets import TargetNotAllowed, guarded_sockets, is_allowed, networks_of
from service.webhooks import WebhookClient

REFUSED = (
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fec0::1",
    "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "100::1", "3fff::1", "2001:0:7f00:1:0:63bf:fefe:fefe",
    "2001:470::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "2606:4700::5efe:a9fe:a9fe", "168.63.129.16", "::ffff:0:7f00:1",
)  # fmt: skip
PUBLIC = (
    "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1",
    "2606:4700::200:5efe:101:101",
)  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), ())


def test_a_setting_allows_networks_and_no_others() -> None:
    allowed = networks_of("10.1.0.0/16, ::1 ,192.168.7.7/24")
    for address in ("10.1.2.3", "::1", "192.168.7.1", "::ffff:10.1.2.3", "64:ff9b::a01:203", "1.1.1.1"):
        assert is_allowed(ip_address(address), allowed), address
    for address in ("10.2.0.1", "127.0.0.1", "192.168.8.1", "fe80::1"):
        assert not is_allowed(ip_address(address), allowed), address
    with pytest.raises(ValueError, match=r"'10.1' is no network; write them like"):
        networks_of("::1,10.1")


def test_no_socket_is_made_for_what_is_refused() -> None:
    make = guarded_sockets(networks_of("127.0.0.0/8"))
    make((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))).close()
    for info in (
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 80, 0, 2)),
        (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/docker.sock"),
    ):
        with pytest.raises(TargetNotAllowed):
            make(info)


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://127.1/", "http://0/", "http://[::1", "ftp://127.0.0.1/", "file:///etc/passwd"]
)
async def test_what_is_no_address_is_not_tried_again(url: str) -> None:
    client = WebhookClient(Keyring("a secret key for tests, as long as they are"), 1.0)
    posted = await client.post(url, "m-1", "{}", datetime(2026, 1, 1, tzinfo=UTC))
    await client.close()
    assert posted.outcome == "refused"

"""A client for S3-compatible stores: put, get and delete objects, requests signed by AWS Signature Version 4.

Source: AWS, "Signature Version 4 signing process", and the S3 API's PutObject, GetObject and DeleteObject. Path-style
addresses, which MinIO, Ceph and others support as well.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from msgspec import Struct

from service.s3_address import Bucket

TIMEOUT_S: Final = 20.0
MOST_ANSWERED: Final = 8 * 1024 * 1024
GONE: Final = 404


class StoreUnavailable(Exception):
    """The attachment store does not respond, or refuses the request; try again."""


class Credentials(Struct, frozen=True):
    """An access key in AWS's terms; `token`: the session token of temporary credentials."""

    key_id: str
    secret: str
    token: str = ""


def signed(
    method: str, url: str, body: bytes, bucket: Bucket, credentials: Credentials, now: datetime, **more: str
) -> dict[str, str]:
    """The headers of a signed request. `more`: further headers to sign, with `_` for `-` in their names."""
    parts = urlsplit(url)
    stamp, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    digest = sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = sorted(headers)
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            parts.query,
            *(f"{n}:{headers[n].strip()}" for n in names),
            "",
            ";".join(names),
            digest,
        ]
    )
    scope = f"{day}/{bucket.region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in (day, bucket.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = f"Credential={credentials.key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**{n: v for n, v in headers.items() if n != "host"}, "Authorization": f"AWS4-HMAC-SHA256 {authorization}"}


class S3Store:
    """Stores sealed files in a bucket."""

    def __init__(self, bucket: Bucket, credentials: Credentials) -> None:
        self._bucket = bucket
        self._credentials = credentials
        self._session: ClientSession | None = None

    async def put(self, name: str, content: bytes) -> None:
        """Store these bytes; raises StoreUnavailable."""
        await self._ask("PUT", name, content, frozenset({200, 201, 204}))

    async def get(self, name: str) -> bytes | None:
        """The stored bytes, None if there are none; raises StoreUnavailable."""
        return await self._ask("GET", name, b"", frozenset({200, GONE}))

    async def delete(self, name: str) -> None:
        """Delete the object; raises StoreUnavailable."""
        await self._ask("DELETE", name, b"", frozenset({200, 202, 204, GONE}))

    async def _ask(self, method: str, name: str, body: bytes, fine: frozenset[int]) -> bytes | None:
        path = quote(f"/{self._bucket.name}/{self._bucket.prefix}{name}", safe="/~-_.")
        url = f"{self._bucket.endpoint}{path}"
        # Real time, whatever the service's clock says: stores reject requests that are off by 15 minutes.
        headers: Mapping[str, str] = signed(method, url, body, self._bucket, self._credentials, datetime.now(UTC))
        if self._session is None:
            self._session = ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as r:
                content = await r.content.read(MOST_ANSWERED)
                while not r.content.at_eof() and len(content) < MOST_ANSWERED:
                    content += await r.content.read(MOST_ANSWERED)
                if r.status not in fine:
                    raise StoreUnavailable(f"the attachment store answered with HTTP {r.status}")
                return content if r.status == 200 else None
        except (ClientError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"the attachment store does not respond ({type(error).__name__})") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

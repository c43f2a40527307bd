"""Where a bucket of an S3-compatible store is, as a setting says it."""

from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct


class Bucket(Struct, frozen=True):
    """Where objects are kept. `endpoint`: without a slash at its end; `prefix`: before each name."""

    endpoint: str
    name: str
    prefix: str
    region: str


def bucket_of(url: str) -> Bucket:
    """The bucket of `s3://bucket/prefix?endpoint=https://…&region=…`; raises ValueError with the remedy."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError(
            "write ledger, or s3://bucket/prefix?endpoint=https://…&region=…; the access key is AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY"
        )
    if unknown := sorted(options.keys() - {"endpoint", "region"}):
        raise ValueError(f"{unknown[0]!r} is not known after the bucket; endpoint and region are")
    region = options.get("region") or "us-east-1"
    endpoint = (options.get("endpoint") or f"https://s3.{region}.amazonaws.com").rstrip("/")
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        raise ValueError("endpoint: write https://host or http://host:port")
    prefix = parts.path.strip("/")
    return Bucket(endpoint, parts.netloc, f"{prefix}/" if prefix else "", region)

"""What a refusal says."""

from msgspec import Struct


class ProblemDetails(Struct):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""

"""`format` and `format_map` of texts in templates: within Jinja's sandbox, and no wider than a message.

Jinja lets them run, guarding data but not widths: `{{ '{:1000000000}'.format(1) }}` would make a text of a GB.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from jinja2 import Environment
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEscapeFormatter, SandboxedFormatter
from markupsafe import Markup

# Of a width or a precision: a thousand characters.
MOST_DIGITS: Final = 3
_NUMBERS: Final = re.compile(r"\d+")


class _Bounded(SandboxedFormatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        """As usual; `format_spec` is complete here, whatever it was put together from. Raises SecurityError."""
        if any(len(number.lstrip("0")) > MOST_DIGITS for number in _NUMBERS.findall(format_spec)):
            raise SecurityError(f"{format_spec!r} makes a text too wide; at most {10**MOST_DIGITS - 1} characters")
        formatted: str = super().format_field(value, format_spec)
        return formatted


class _BoundedEscaping(_Bounded, SandboxedEscapeFormatter):
    pass


def bounded_format(environment: Environment, text: str, method: str) -> Callable[..., str]:
    """`text.format` or `text.format_map`, as `method` says."""
    is_html = isinstance(text, Markup)
    formatter = _BoundedEscaping(environment, escape=Markup.escape) if is_html else _Bounded(environment)

    def format(*args: Any, **kwargs: Any) -> str:
        return type(text)(formatter.vformat(text, args, kwargs))

    def format_map(mapping: Any) -> str:
        return type(text)(formatter.vformat(text, (), mapping))

    return format_map if method == "format_map" else format

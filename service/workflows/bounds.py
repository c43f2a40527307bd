"""Bounds on templates: rendering ends soon and in little memory, whatever a template contains.

Jinja's sandbox protects the host's data, but not its time and memory: `{{ 'a' * 10**9 }}`, nested loops, a text that
doubles itself thirty times. So operators and filters that can make large results are checked before they run, and
loops, calls and output are counted for each message.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from time import thread_time
from typing import Any, Final

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.workflows.bidi import Bare, isolated
from service.workflows.bounded_format import bounded_format

MAX_CHARS: Final = 200_000  # the longest message, and any text or list on the way to it
MAX_STEPS: Final = 20_000  # iterations of loops, and calls
MAX_BITS: Final = 512  # digits of a whole number
MAX_PLACES: Final = 20

# Filters and methods that pad to any width; messages do not need them.
UNBOUNDED_FILTERS: Final = ("batch", "center", "format", "indent", "pprint", "random", "slice", "wordwrap", "xmlattr")
UNBOUNDED_METHODS: Final = frozenset(
    ["center", "expandtabs", "join", "ljust", "replace", "rjust", "to_bytes", "translate",
     "zfill"]
)  # fmt: skip


class _Budget:
    """The remaining budget of one rendering, and its text's direction (`ltr`, `rtl`; empty: nothing is isolated)."""

    def __init__(self, direction: str) -> None:
        self.direction = direction
        self.chars = MAX_CHARS
        self.steps = MAX_STEPS
        self.until = _until.get()

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise SecurityError(f"its loops and calls take more than {MAX_STEPS:,} steps")
        self.look_at_time()

    def look_at_time(self) -> None:
        if self.until is not None and thread_time() > self.until:
            raise SecurityError("takes too long")

    def say(self, chars: int) -> None:
        self.look_at_time()
        self.chars -= chars
        if self.chars < 0:
            raise SecurityError(f"makes more than {MAX_CHARS:,} characters")


_budget: ContextVar[_Budget | None] = ContextVar("template_budget", default=None)
_until: ContextVar[float | None] = ContextVar("template_until", default=None)


@contextmanager
def within_time(seconds: float) -> Iterator[None]:
    """Limits the thread's CPU time for everything rendered inside; exceeding it raises jinja2's SecurityError."""
    token = _until.set(thread_time() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


@contextmanager
def within_bounds(direction: str = "") -> Iterator[None]:
    """Renderings inside share one budget; exceeding it raises jinja2's SecurityError.

    `direction`: that of the text; pieces in the other one are isolated. Empty: none are.
    """
    token = _budget.set(_Budget(direction))
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def nothing_isolated() -> Iterator[None]:
    """Renderings inside contain their values as they are, without isolates."""
    budget = _budget.get()
    before = budget.direction if budget is not None else ""
    try:
        if budget is not None:
            budget.direction = ""
        yield
    finally:
        if budget is not None:
            budget.direction = before


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox with bounds on the time and memory of its templates."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, finalize=_finalized)
        self.globals.clear()
        for name in UNBOUNDED_FILTERS:
            del self.filters[name]
        self.filters = {name: _timed(made) for name, made in self.filters.items()}
        self.filters.update(
            _turns=_turns,
            _text=_text,
            _bare=_bare,
            join=_bounded_join(self.filters["join"]),
            replace=_bounded_replace(self.filters["replace"]),
            round=_bounded_round(self.filters["round"]),
        )

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        # One walk for all checks, as walking takes longer than the checks.
        outputs: list[nodes.Output] = []
        for node in list(tree.find_all((nodes.For, nodes.Concat, nodes.Output))):
            if isinstance(node, nodes.For):
                node.iter = _filtered(node.iter, "_turns")
            elif isinstance(node, nodes.Concat):
                node.nodes = [_filtered(part, "_text") for part in node.nodes]
            elif isinstance(node, nodes.Output):
                outputs.append(node)
        if self.autoescape:
            _leave_tags_bare(outputs)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`; raises SecurityError for a result that would be too large."""
        if operator == "*":
            _refuse_long(_size(left) * right if isinstance(right, int) else 0)
            _refuse_long(_size(right) * left if isinstance(left, int) else 0)
            _refuse_big(_bits(left) + _bits(right))
        elif operator == "**":
            _refuse_big(_bits(left) * abs(right) if isinstance(right, int) else 0)
        elif operator == "+":
            _refuse_long(_size(left) + _size(right))
        elif isinstance(left, str | bytes):
            raise SecurityError("`%` puts no values into texts here; write them with {{ }}")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Count every call of a macro or method."""
        if (budget := _budget.get()) is not None:
            budget.step()
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """What templates call as `format` and `format_map` of a text."""
        if super().wrap_str_format(value) is None:
            return None
        return bounded_format(self, value.__self__, value.__name__)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Exclude the methods that pad or multiply texts: the filters of the same names are bounded."""
        if attr in UNBOUNDED_METHODS and isinstance(obj, str | bytes | int):
            return False
        return super().is_safe_attribute(obj, attr, value)


def _filtered(node: Any, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _refuse_long(size: int) -> None:
    if size > MAX_CHARS:
        raise SecurityError(f"makes a text or list of {size:,}; at most {MAX_CHARS:,}")


def _refuse_big(bits: int) -> None:
    if bits > MAX_BITS:
        raise SecurityError(f"makes a number of more than {MAX_BITS} bits")


def _leave_tags_bare(outputs: Iterable[nodes.Output]) -> None:
    """Values within an HTML tag, such as links, or in styles get no directional marks."""
    in_tag = in_style = False
    for output in outputs:
        for at, node in enumerate(output.nodes):
            if isinstance(node, nodes.TemplateData):
                in_tag = _is_left_open(node.data, "<", ">", in_tag)
                in_style = _is_left_open(node.data, "<style", "</style", in_style)
            elif in_tag or in_style:
                output.nodes[at] = _filtered(node, "_bare")


def _is_left_open(text: str, opening: str, closing: str, before: bool) -> bool:
    """Whether this text leaves an `opening` without its `closing`."""
    opened, closed = text.rfind(opening), text.rfind(closing)
    return opened > closed if max(opened, closed) >= 0 else before


def _finalized(value: Any) -> Any:
    """Finalize the value of each `{{ }}`."""
    budget = _budget.get()
    direction = budget.direction if budget is not None else ""
    # The usual case: nothing in the other direction.
    if direction and not (direction == "ltr" and type(value) is str and value.isascii()):
        value = isolated(value, direction)
    return _counted(value)


def _counted(value: Any) -> Any:
    if (budget := _budget.get()) is not None:
        budget.say(len(value) if isinstance(value, str) else len(str(value)))
    return value


# With `pass_context` Jinja does not evaluate them while compiling, when there is no budget.
@pass_context
def _turns(_context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget.get()
    for value in values:
        if budget is not None:
            budget.step()
        yield value


@pass_context
def _text(_context: Context, value: Any) -> Any:
    """Count an operand of `~`."""
    _counted(value)
    return value


@pass_context
def _bare(_context: Context, value: Any) -> Any:
    return Bare(value) if type(value) is str else value


def _bounded_join(join: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(eval_ctx: Any, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> Any:
        parts = list(value)
        _refuse_long(len(parts) * len(str(d)) + sum(_size(part) for part in parts))
        return join(eval_ctx, parts, d, attribute)

    return _passing_like(join, bounded)


def _bounded_replace(replace: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(eval_ctx: Any, s: str, old: str, new: str, count: int | None = None) -> Any:
        text = str(s)
        _refuse_long(len(text) + text.count(str(old)) * len(str(new)))
        return replace(eval_ctx, s, old, new, count)

    return _passing_like(replace, bounded)


def _bounded_round(round_: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(value: float, precision: int = 0, method: Any = "common") -> Any:
        if abs(precision) > MAX_PLACES:
            raise SecurityError(f"rounds to {precision} places; at most {MAX_PLACES}")
        return round_(value, precision, method)

    return bounded


def _timed(made: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a filter of Jinja's to check the time limit first, as some iterate over long lists."""

    @wraps(made)
    def timed(*args: Any, **kwargs: Any) -> Any:
        if (budget := _budget.get()) is not None:
            budget.look_at_time()
        return made(*args, **kwargs)

    return timed


def _passing_like(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """Copy Jinja's mark of filters that take a context as first argument."""
    ours.jinja_pass_arg = original.jinja_pass_arg  # type: ignore[attr-defined]
    return ours

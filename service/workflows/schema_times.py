"""The schema of local times, calendars and quiet hours."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from service.workflows.durations import Length, WorkingTime, parse_length
from service.workflows.schema_words import DataPath, Ident, YamlModel, one_or_many

LengthUnit = Literal["minutes", "hours", "days", "weeks", "working hours", "working days"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _clock_time(value: Any) -> Any:
    """YAML 1.1 reads an unquoted 18:00 as a sexagesimal number."""
    return f"{value // 60:02}:{value % 60:02}" if isinstance(value, int) and 0 <= value <= DAY_MINUTES else value


DAY_MINUTES = 24 * 60
_HH_MM = r"([01]\d|2[0-3]):[0-5]\d"
EndTime = Annotated[
    str, BeforeValidator(_clock_time), Field(pattern=rf"^({_HH_MM}|24:00)$", description="HH:MM; 24:00 is midnight")
]
StartTime = Annotated[str, BeforeValidator(_clock_time), Field(pattern=rf"^{_HH_MM}$", description="HH:MM")]
SpanText = Annotated[
    str,
    Field(
        pattern=rf"^{_HH_MM}\s*-\s*({_HH_MM}|24:00)$",
        description="HH:MM-HH:MM; an earlier end is on the next day",
    ),
]
SpanTexts = Annotated[list[SpanText], BeforeValidator(one_or_many, json_schema_input_type=SpanText | list[SpanText])]


class ZoneFromYaml(YamlModel):
    """The time zone in a value of the order; `else` if it has none."""

    from_: Annotated[DataPath, Field(alias="from")]
    else_: Annotated[str, Field(alias="else")]


class CalendarYaml(YamlModel):
    """When the business works.

    On `days` from `opens` to `closes`, or the spans of `hours` (for all `days`, or by weekday). `holidays` is an
    ISO 3166 country, with `region` where it matters; `closed` are the business's own days off, `special` days with
    other spans, such as half ones.
    """

    timezone: str | ZoneFromYaml
    days: list[Weekday] = ["mon", "tue", "wed", "thu", "fri"]
    opens: StartTime = "09:00"
    closes: EndTime = "18:00"
    hours: SpanTexts | dict[Weekday, SpanTexts] | None = None
    holidays: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    region: str | None = None
    closed: list[date] = []
    special: dict[date, SpanTexts] = {}


class CalendarByYaml(YamlModel):
    """The calendar chosen by a value of the order; `else` for every other value."""

    by: DataPath
    is_: Annotated[dict[str, Ident], Field(alias="is")]
    else_: Annotated[Ident, Field(alias="else")]


class LengthFromYaml(YamlModel):
    """A length from a value of the order: a number of `unit`, or a text such as `3 days`.

    `else` applies if there is no value; without it there is no clock then.
    """

    from_: Annotated[DataPath, Field(alias="from")]
    unit: LengthUnit | None = None
    else_: Annotated[Length | None, Field(alias="else")] = None


class QuietYaml(YamlModel):
    """Quiet hours, in local time."""

    start: StartTime
    end: EndTime


def zone_name(calendar: CalendarYaml) -> str:
    """The default time zone of a calendar."""
    return calendar.timezone.else_ if isinstance(calendar.timezone, ZoneFromYaml) else calendar.timezone


def _length_or_from(value: Any) -> Any:
    return LengthFromYaml.model_validate(value) if isinstance(value, dict) else parse_length(value)


LengthOrFrom = Annotated[
    timedelta | WorkingTime | LengthFromYaml,
    PlainValidator(_length_or_from, json_schema_input_type=str | LengthFromYaml),
]

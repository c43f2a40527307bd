"""The report: a table and a chart."""

from typing import Any

from bench import board, clocks, durable, fairness, foresight, partitions, sending, stream


def show(found: dict[str, Any]) -> str:
    """The table as text."""
    bare = found["work"]["bare loop"]["events_per_s"]
    lines = [f"{'':<12}{'events/s':>10}{'of bare':>9}{'CPU ms/event':>14}{'peak MiB':>10}{'p50 ms':>8}{'p99 ms':>8}"]
    for name, w in found["work"].items():
        wait = found["latency"].get(name, {})
        lines.append(
            f"{name:<12}{w['events_per_s']:>10.0f}{w['events_per_s'] / bare:>9.2f}{w['cpu_ms_per_event']:>14.2f}"
            f"{w['peak_mib']:>10.0f}{wait.get('p50_ms', 0):>8.1f}{wait.get('p99_ms', 0):>8.1f}"
        )
    lines.append("\ndispatch processes: " + ", ".join(f"{k}: {v:.0f}/s" for k, v in found["dispatchers"].items()))
    lines.append(f"start to ready: {found['start_to_ready_s']:.2f} s")
    lines.append("PostgreSQL: " + ", ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in found["database"].items()))
    if found["growth"]:
        lines.append("past orders: " + ", ".join(f"{k} {v:.2f}" for k, v in found["growth"].items()))
    intake = found["intake"]
    lines.append(
        f"intake alone: {intake['intake']:.0f}/s = {intake['intake'] / intake['ack only']:.2f} of consume-and-ack"
    )
    whole = 1000 * found["work"]["stagebell"]["cpu_ms_per_event"]
    parts = (f"{k} {v:.0f} ({100 * v / whole:.0f} %)" for k, v in found["micro"].items())
    lines.append(f"one event, in µs of {whole:.0f}: " + ", ".join(parts))
    lines.append(
        "intake's commit, ms an event: " + ", ".join(f"{k} at once {v:.2f}" for k, v in found["commit_ms"].items())
    )
    lines += [
        sending.show(found["sending"]),
        foresight.show(found["foresight"]),
        clocks.show(found["clocks"]),
        stream.show(found["stream"]),
        fairness.show(found["fairness"]),
        durable.show(found["durable"]),
        partitions.show(found["partitions"]),
        board.show(found["board"]),
    ]
    return "\n".join(lines)


def chart(found: dict[str, Any]) -> str:
    """A bar chart of events/s as SVG."""
    most = max(w["events_per_s"] for w in found["work"].values())
    rows = []
    for i, (name, w) in enumerate(found["work"].items()):
        y, wide = 20 + 34 * i, 460 * w["events_per_s"] / most
        colour = "#14532d" if name == "stagebell" else "#9aa39c"
        rows.append(f'<text x="110" y="{y + 16}" text-anchor="end">{name}</text><rect x="120" y="{y}" width="{wide:.0f}" height="24" rx="4" fill="{colour}"/>'
                    f'<text x="{128 + wide:.0f}" y="{y + 16}">{w["events_per_s"]:.0f}</text>')  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{34 * len(rows) + 40}" font-family="sans-serif" font-size="14">'
            + "".join(rows) + "</svg>\n")  # fmt: skip

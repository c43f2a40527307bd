"""Events a second with 1, 2 and 4 intake partitions, each on a broker of its own.

`python -m bench.partitions` runs this part alone. `whole`: one process with all roles. `taken_in`: intake only, by one
process for each partition, two at most.
"""

from dataclasses import replace
from typing import Final

from bench import measures
from bench.contenders import Stagebell
from bench.setting import Setting, part
from tests.support.nodes import Rabbit, running

EVENTS: Final = 3000
COUNTS: Final = (1, 2, 4)
MOST_PROCESSES: Final = 2


async def measure(s: Setting, events: int = EVENTS) -> dict[str, dict[str, float]]:
    """The figures by number of partitions."""
    found: dict[str, dict[str, float]] = {}
    for count in COUNTS:
        with running(Rabbit) as node:
            assert isinstance(node, Rabbit)
            there = replace(s, rabbit=node, database=await s.postgres.create(f"partitions{count}"))
            whole = await measures.throughput(Stagebell(partitions=count), there, events)
            processes = min(count, MOST_PROCESSES)
            intake = Stagebell("intake", ("intake",) * processes, partitions=count)
            found[str(count)] = {
                "whole": whole["events_per_s"],
                "cpu_ms_per_event": whole["cpu_ms_per_event"],
                "taken_in": await measures.taken_in(intake, there, 2 * events),
                "processes": processes,
            }
            s.runs = there.runs
    return found


def show(found: dict[str, dict[str, float]]) -> str:
    """A line for each number."""
    return "\n".join(
        f"partitions {count}: {f['whole']:.0f} events/s whole ({f['cpu_ms_per_event']:.2f} ms of CPU an event);"
        f" taken in by {f['processes']:.0f}: {f['taken_in']:.0f}/s"
        for count, f in found.items()
    )


if __name__ == "__main__":
    part(measure, show, events=EVENTS)

"""The provider, simulated: a real HTTP server with its own clock, faults and memory.

It shares the wire with our client and nothing else. In a test, in the same process::

    from snapshots.provider.simulator import Simulator

    with Simulator() as sim:                          # blank, on a free port, its clock frozen
        token = sim.account("Northwind")              # dialect="live" for uuids and paging
        web = sim.server(token, "web-1")              # ids are strings, always
        snap = sim.snapshot(web, "before-upgrade")    # simply there, completed
        requests.get(f"{sim.url}/snapshots/", headers={"Authorization": f"Bearer {token}"})

        sim.clock.advance(minutes=10)                 # creates and restores end by the clock
        sim.world.snapshots[snap].status              # look; settles what is due first
        sim.faults.add("close_after", method="POST", path="/restore/")
        sim.outside.delete_snapshot(snap)             # what people do in the provider's panel
        sim.log                                       # every call: arrived, applied, answered
        sim.calls("POST", "/restore/", "applied")     # the same, filtered

`Simulator(seed="demo")` begins with the demo fleet (`DEMO_TOKEN`, `READ_ONLY_DEMO_TOKEN`,
`SECOND_DEMO_TOKEN`), `seed="documentation"` with exactly what the vendor's page shows. Other
options: `pace`, `now`, `frozen`, `state`, `log`, `host`, `port`, `control`, `assumptions`.
`sim.token(account, name, permissions)` gives one more token; `sim.changing()` holds the world
for a change that `outside` does not have. Everything may be called from any thread.

As a process: `python -m snapshots.provider.simulator --help`. Faults: `faults.KINDS`. What no
public page of the vendor says: `assumptions.Assumptions`, and nowhere else.
"""

from .assumptions import Assumptions
from .fleet import DEMO_TOKEN, READ_ONLY_DEMO_TOKEN, SECOND_DEMO_TOKEN
from .simulator import Simulator

__all__ = [
    "DEMO_TOKEN",
    "READ_ONLY_DEMO_TOKEN",
    "SECOND_DEMO_TOKEN",
    "Assumptions",
    "Simulator",
    "serve",
]


def serve(seed: str = "empty", **options: object) -> Simulator:
    """A simulator that is already serving; a context manager, or `stop()` it."""
    return Simulator(seed, **options).start()  # type: ignore[arg-type]

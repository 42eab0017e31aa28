"""The fleets a simulator begins with.

`documentation` is what the vendor's page on snapshots shows, to the letter. `demo` is that page's
account grown to a dozen servers, and a second company that speaks the live dialect. Addresses
and host names are those reserved for examples. Ages are relative to now, the documentation's own
rows excepted.
"""

from __future__ import annotations

from collections.abc import Callable

from .clock import epoch
from .world import World

DEMO_TOKEN = "vps_demo_northwind_0000000000000000"  # noqa: S105 - obviously no secret
READ_ONLY_DEMO_TOKEN = "vps_demo_northwind_read_only_000000"  # noqa: S105
SECOND_DEMO_TOKEN = "vps_demo_larkfield_0000000000000000"  # noqa: S105

DAY = 86400.0

PLANS = {
    "standard": {"id": 1, "name": "Standard VPS", "vcpus": 2, "memory": 4096, "storage": 80},
    "performance": {"id": 2, "name": "Performance VPS", "vcpus": 4, "memory": 8192, "storage": 160},
    "starter": {"id": 3, "name": "Starter VPS", "vcpus": 1, "memory": 2048, "storage": 40},
    "business": {"id": 4, "name": "Business VPS", "vcpus": 8, "memory": 16384, "storage": 320},
    "enterprise": {"id": 6, "name": "Enterprise VPS", "vcpus": 16, "memory": 32768, "storage": 640},
}
SYSTEMS = {
    "debian": {"id": 3, "name": "Debian 12"},
    "ubuntu": {"id": 5, "name": "Ubuntu 22.04 LTS"},
    "noble": {"id": 7, "name": "Ubuntu 24.04 LTS"},
    "alma": {"id": 8, "name": "AlmaLinux 9"},
    "rocky": {"id": 9, "name": "Rocky Linux 9"},
}

# Name, status, plan, system, location, age in days, snapshots as (name, age in days, description).
Row = tuple[str, str, str, str, str, float, tuple[tuple[str, float, str], ...]]

# fmt: off
NORTHWIND: tuple[Row, ...] = (
    ("web-server-02", "active", "standard", "ubuntu", "us-west", 410, (
        ("before-php-upgrade", 96, "PHP 8.1 to 8.3"),
        ("weekly-web-02", 5.2, "Weekly snapshot"),
    )),
    ("api-server-01", "active", "performance", "debian", "us-east", 388, (
        ("release-4-12", 61, "Before release 4.12"),
        ("release-4-13", 40, "Before release 4.13"),
        ("release-4-14", 19, "Before release 4.14"),
        ("release-4-14-1", 12.3, ""),
        ("release-5-0", 2.1, "Before release 5.0, keep until it has settled"),
    )),
    ("cache-01", "active", "starter", "debian", "us-east", 371, ()),
    ("mail-01", "active", "standard", "debian", "eu-central", 640, (
        ("before-spam-filter", 33, "Before the new spam filter"),
    )),
    ("staging-web-01", "stopped", "starter", "noble", "us-west", 152, (
        ("clean-install", 151, "Fresh system, nothing else on it"),
        ("sprint-41", 8, ""),
    )),
    ("build-runner-01", "active", "business", "noble", "eu-west", 97, (
        ("golden-image", 90, "Image the runners start from"),
    )),
    ("analytics-01", "active", "enterprise", "rocky", "us-east", 233, (
        ("before-warehouse-move", 47, "Last state on the old schema"),
        ("quarter-end", 14, "Quarter-end figures, finance asked to keep it"),
        ("pre-reindex", 1.4, ""),
    )),
    ("legacy-crm", "suspended", "standard", "ubuntu", "eu-central", 1290, (
        ("final-before-handover", 210, "Do not delete before the contract ends"),
    )),
    ("vpn-gateway", "active", "starter", "debian", "eu-west", 520, (
        ("working-wireguard", 75, "Known good configuration"),
        ("before-key-rotation", 0.3, "Keys rotated right after this"),
    )),
    ("db-replica-01", "active", "performance", "debian", "us-west", 301, (
        ("before-pg-16", 26, "PostgreSQL 15, before the upgrade"),
    )),
)
# fmt: on

LARKFIELD_ROLES = (
    ("shop", "active", "performance", "noble", "eu-central", 5),
    ("checkout", "active", "performance", "debian", "eu-central", 3),
    ("media", "active", "business", "debian", "eu-west", 4),
    ("search", "active", "business", "alma", "eu-central", 3),
    ("queue", "active", "standard", "debian", "eu-west", 3),
    ("preview", "stopped", "starter", "noble", "us-east", 4),
    ("edge", "active", "starter", "alma", "ap-southeast", 3),
)


def empty(world: World, now: float) -> None:
    """Nothing at all."""


def documentation(world: World, now: float) -> None:
    """The vendor's page: two servers, snapshots 801 and 798; the next one is 802."""
    account = world.add_account(
        "Northwind Outfitters",
        email="dana.whitfield@northwind.example",
        first_name="Dana",
        last_name="Whitfield",
    )
    world.add_token(account.id, "dashboard", ("*:*",), DEMO_TOKEN)
    world.add_token(account.id, "monitoring (read only)", ("servers:read",), READ_ONLY_DEMO_TOKEN)
    world.add_server(
        account.id,
        "web-server-01",
        id="12345",
        hostname="web01.example.com",
        ip_address="203.0.113.10",
        location="us-west",
        plan=dict(PLANS["standard"]),
        os=dict(SYSTEMS["ubuntu"]),
        created_at=epoch("2025-01-10T14:30:00Z"),
        updated_at=epoch("2025-01-15T10:20:00Z"),
        now=now,
    )
    world.add_server(
        account.id,
        "db-server-01",
        id="12346",
        hostname="db01.example.com",
        ip_address="203.0.113.11",
        location="us-east",
        plan=dict(PLANS["performance"]),
        os=dict(SYSTEMS["debian"]),
        created_at=epoch("2025-01-08T09:15:00Z"),
        updated_at=epoch("2025-01-14T16:45:00Z"),
        now=now,
    )
    world.add_snapshot(
        "12345",
        "weekly-snapshot-2025-01-08",
        id="798",
        created_at=epoch("2025-01-08T12:00:00Z"),
        size_mb=4856,
        description="Weekly snapshot",
    )
    world.add_snapshot(
        "12345",
        "pre-migration-snapshot",
        id="801",
        created_at=epoch("2025-01-15T18:30:00Z"),
        size_mb=5120,
        description="Before major migration",
    )
    world.counters |= {"server": 12347, "snapshot": 802}


def demo(world: World, now: float) -> None:
    """Two companies: a dozen servers as documented, twenty-five in the live dialect."""
    documentation(world, now)
    account = next(iter(world.accounts))
    # One more for the documentation's second server, so that a single server has none at all.
    vacuum = (now - 3.1 * DAY, "12346", "nightly-before-vacuum", "Before VACUUM FULL")
    _grow(world, account, NORTHWIND, now, "northwind.example", "203.0.113", 20, (vacuum,))
    second = world.add_account(
        "Larkfield Media",
        "live",
        email="it@larkfield.example",
        first_name="Priya",
        last_name="Nair",
        created_at="2025-03-02",
    )
    world.add_token(second.id, "holdfast", ("*:*",), SECOND_DEMO_TOKEN)
    _grow(world, second.id, _larkfield(), now, "larkfield.example", "198.51.100", 10)


def _larkfield() -> tuple[Row, ...]:
    """Twenty-five servers: more than one page of twenty."""
    rows: list[Row] = []
    for role, status, plan, system, location, count in LARKFIELD_ROLES:
        for number in range(1, count + 1):
            age = 40.0 + 17 * len(rows)
            snapshots = tuple(
                (f"{role}-{number}-{word}", days + len(rows) / 3, text)
                for word, days, text in (
                    ("before-update", 21.0, "Before the monthly update"),
                    ("weekly", 2.0, ""),
                    ("manual", 0.6, "By hand, before a configuration change"),
                )[: len(rows) % 4]
            )
            rows.append((f"{role}-{number}", status, plan, system, location, age, snapshots))
    return tuple(rows)


def _grow(
    world: World,
    account: str,
    rows: tuple[Row, ...],
    now: float,
    domain: str,
    network: str,
    first: int,
    more: tuple[tuple[float, str, str, str], ...] = (),
) -> None:
    taken = list(more)
    for number, (name, status, plan, system, location, age, snapshots) in enumerate(rows, first):
        server = world.add_server(
            account,
            name,
            status=status,
            hostname=f"{name}.{domain}",
            ip_address=f"{network}.{number}",
            location=location,
            plan=dict(PLANS[plan]),
            os=dict(SYSTEMS[system]),
            created_at=now - age * DAY - number * 11 * 61,
            updated_at=now - min(age, 9 + number % 5) * DAY - number * 7 * 61,
            now=now,
        )
        taken += [(now - a * DAY - number * 613, server.id, n, text) for n, a, text in snapshots]
    # Oldest first, so that a younger snapshot has the higher id, as at the provider.
    for at, server_id, name, text in sorted(taken):
        world.add_snapshot(server_id, name, created_at=at, description=text)


SEEDS: dict[str, Callable[[World, float], None]] = {
    "empty": empty,
    "demo": demo,
    "documentation": documentation,
}

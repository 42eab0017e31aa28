"""What exists at the provider, and the rules by which it changes.

A `World` holds accounts, tokens, servers and snapshots. It never looks at a clock: every call is
told the time, and `settle(now)` brings about what has become due since, in the order of time. A
refusal is raised as `Refusal`, in the provider's words.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from .assumptions import Assumptions
from .nouns import Account, Coming, Server, Snapshot, Token

SNAPSHOTS_PER_SERVER = 5
CREATE_SECONDS = (180, 600)
RESTORE_SECONDS = (300, 900)
POWER_ACTIONS = ("start", "stop", "restart", "hard_stop")
DIALECTS = ("documented", "live")


class Refusal(Exception):
    """The provider says no: a status code and the body that goes with it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class World:
    """The provider's state. Not thread-safe by itself: the simulator holds one lock around it."""

    def __init__(self, assumptions: Assumptions | None = None, *, pace: float = 1.0) -> None:
        self.assumptions = assumptions or Assumptions()
        self.pace = pace
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.servers: dict[str, Server] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.coming: list[Coming] = []
        self.counters = {"account": 100, "server": 12345, "snapshot": 801, "token": 1, "coming": 1}
        self.changes = 0

    # Things that exist ------------------------------------------------------------------------

    def add_account(self, name: str, dialect: str = "documented", **fields: Any) -> Account:
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
        slug = _slug(name)
        fields.setdefault("email", f"ops@{slug}.example")
        account = Account(id=str(self._next("account")), name=name, dialect=dialect, **fields)
        self.accounts[account.id] = account
        self.changes += 1
        return account

    def add_token(
        self,
        account: str,
        name: str = "",
        permissions: Iterable[str] = ("*:*",),
        secret: str = "",
    ) -> Token:
        """A token of an account. Names are unique: the log knows a token by its name only."""
        number = self._next("token")
        slug = _slug(self.accounts[account].name)
        name = name or f"{slug}-{number}"
        if any(token.name == name for token in self.tokens.values()):
            name = f"{name}-{number}"
        token = Token(secret or f"vps_sim_{slug}_{number:04d}", name, account, list(permissions))
        self.tokens[token.secret] = token
        self.changes += 1
        return token

    def add_server(
        self,
        account: str,
        name: str,
        *,
        status: str = "active",
        storage: int = 80,
        location: str = "us-west",
        now: float,
        id: str = "",
        hostname: str = "",
        ip_address: str = "",
        plan: dict[str, Any] | None = None,
        os: dict[str, Any] | None = None,
        created_at: float | None = None,
        updated_at: float | None = None,
    ) -> Server:
        number = self._next("server") if not id else 0
        created = now if created_at is None else created_at
        server = Server(
            id=id or self._id(account, "server", number),
            account=account,
            name=name,
            hostname=hostname or f"{name}.example.com",
            status=status,
            ip_address=ip_address or f"203.0.113.{number % 254 + 1}",
            location=location,
            plan=plan
            or {"id": 1, "name": "Standard VPS", "vcpus": 2, "memory": 4096, "storage": storage},
            os=os or {"id": 5, "name": "Ubuntu 22.04 LTS"},
            created_at=created,
            updated_at=created if updated_at is None else updated_at,
        )
        if server.id in self.servers:
            raise ValueError(f"there is a server {server.id} already")
        self.servers[server.id] = server
        self.changes += 1
        return server

    def add_snapshot(
        self,
        server: str,
        name: str,
        *,
        status: str = "completed",
        created_at: float,
        description: str = "",
        size_mb: int | None = None,
        id: str = "",
    ) -> Snapshot:
        """Put a snapshot there as it is: no rule is asked, and nothing becomes of it by itself."""
        account = self.servers[server].account
        snapshot = Snapshot(
            id=id or self._id(account, "snapshot", self._next("snapshot")),
            server=server,
            name=name,
            status=status,
            size_mb=size_mb,
            created_at=created_at,
            description=description,
        )
        if snapshot.id in self.snapshots:
            raise ValueError(f"there is a snapshot {snapshot.id} already")
        if snapshot.size_mb is None and status == "completed":
            snapshot.size_mb = self._size(snapshot)
        self.snapshots[snapshot.id] = snapshot
        self.changes += 1
        return snapshot

    def account_of(self, server: str) -> Account:
        return self.accounts[self.servers[server].account]

    def servers_of(self, account: str) -> list[Server]:
        return [server for server in self.servers.values() if server.account == account]

    def snapshots_of(self, server: str) -> list[Snapshot]:
        return [snapshot for snapshot in self.snapshots.values() if snapshot.server == server]

    def is_restoring(self, server: str) -> bool:
        return any(c.kind == "restored" and c.target == server for c in self.coming)

    def is_creating(self, server: str) -> bool:
        return any(s.status == "in_progress" for s in self.snapshots_of(server))

    # What a caller of the API can do ------------------------------------------------------------

    def create_snapshot(
        self,
        server: str,
        name: str,
        description: str = "",
        *,
        now: float,
        fails: bool = False,
        forgotten_after: float | None = None,
    ) -> Snapshot:
        """Begin a snapshot. It ends after 3-10 minutes, divided by the pace."""
        a, machine = self.assumptions, self.servers[server]
        there = self.snapshots_of(server)
        if machine.status not in a.create_on or self.is_restoring(server):
            raise Refusal(400, {"detail": a.create_state_text})
        if a.one_create_at_a_time and self.is_creating(server):
            raise Refusal(400, {"detail": a.create_busy_text})
        if sum(s.status in a.counted_statuses for s in there) >= SNAPSHOTS_PER_SERVER:
            raise Refusal(400, {"detail": a.limit_text})
        if not a.equal_names_allowed and any(s.name == name for s in there):
            raise Refusal(400, {"name": [a.same_name_text]})
        if not self.account_of(server).keeps_descriptions:
            description = ""
        snapshot = self.add_snapshot(
            server, name, status="in_progress", created_at=now, description=description
        )
        end = {"status": a.failed_status if fails else "completed"}
        self._come(now + self.create_seconds(snapshot), "created", snapshot.id, end)
        if forgotten_after is not None:
            self._come(now + forgotten_after, "forgotten", snapshot.id)
        return snapshot

    def restore_snapshot(
        self,
        snapshot: str,
        *,
        now: float,
        shows: bool = True,
        ends: str | None = None,
        drops_newer: bool = False,
    ) -> Server:
        """Begin a restore: the server is `restoring`, and active again after 5-15 minutes."""
        a, source = self.assumptions, self.snapshots[snapshot]
        server = self.servers[source.server]
        if source.status not in a.restorable_statuses:
            raise Refusal(400, {"detail": a.restore_snapshot_text})
        if server.status not in a.restore_on or self.is_restoring(server.id):
            raise Refusal(400, {"detail": a.restore_state_text})
        if a.restore_waits_for_create and self.is_creating(server.id):
            raise Refusal(400, {"detail": a.restore_state_text})
        if shows:
            server.status, server.updated_at = "restoring", now
        details: dict[str, Any] = {"snapshot": snapshot, "drops_newer": drops_newer}
        details["status"] = ends or a.after_restore_status
        self._come(now + self.restore_seconds(server, snapshot), "restored", server.id, details)
        self.changes += 1
        return server

    def delete_snapshot(self, snapshot: str) -> Snapshot:
        """Delete for ever."""
        a, target = self.assumptions, self.snapshots[snapshot]
        if target.status not in a.deletable_statuses:
            raise Refusal(400, {"detail": a.delete_snapshot_text})
        if any(c.kind == "restored" and c.details["snapshot"] == snapshot for c in self.coming):
            raise Refusal(400, {"detail": a.delete_busy_text})
        return self.remove_snapshot(snapshot)

    def power(self, server: str, action: str, *, now: float) -> Server:
        """Switch a server. The change is immediate."""
        a, machine = self.assumptions, self.servers[server]
        running = machine.status == "active"
        wanted = {"start": not running, "stop": running, "hard_stop": running, "restart": running}
        if machine.status not in a.power_on or self.is_restoring(server) or not wanted[action]:
            raise Refusal(400, {"detail": a.power_state_text})
        machine.status = a.stopped_status if action in ("stop", "hard_stop") else "active"
        machine.updated_at = now
        self.changes += 1
        return machine

    # What happens without a caller --------------------------------------------------------------

    def remove_snapshot(self, snapshot: str) -> Snapshot:
        """Make a snapshot vanish, whatever its state."""
        gone = self.snapshots.pop(snapshot)
        self.coming = [
            c for c in self.coming if c.kind not in ("created", "forgotten") or c.target != snapshot
        ]
        self.changes += 1
        return gone

    def remove_server(self, server: str) -> Server:
        """Make a server and its snapshots vanish."""
        for snapshot in self.snapshots_of(server):
            self.remove_snapshot(snapshot.id)
        self.coming = [c for c in self.coming if c.kind != "restored" or c.target != server]
        self.changes += 1
        return self.servers.pop(server)

    def later(self, at: float, kind: str, target: str, details: dict[str, Any]) -> None:
        """Have something happen at a time. `settle` hands what is not the world's own back."""
        self._come(at, kind, target, details)

    def due(self, now: float) -> Coming | None:
        """Take the earliest thing that has become due, if any."""
        ripe = [c for c in self.coming if c.at <= now]
        if not ripe:
            return None
        first = min(ripe, key=lambda c: (c.at, c.n))
        self.coming.remove(first)
        self.changes += 1
        return first

    def bring(self, coming: Coming) -> None:
        """Let a thing that was due happen."""
        if coming.kind == "created":
            snapshot = self.snapshots[coming.target]
            snapshot.status = coming.details["status"]
            if snapshot.status == "completed":
                snapshot.size_mb = self._size(snapshot)
        elif coming.kind == "forgotten":
            self.remove_snapshot(coming.target)
        elif coming.kind == "restored":
            self._end_restore(coming)
        self.changes += 1

    def settle(self, now: float) -> list[Coming]:
        """Bring about everything that has become due, in order; return it."""
        done = []
        while (coming := self.due(now)) is not None:
            self.bring(coming)
            done.append(coming)
        return done

    def _end_restore(self, coming: Coming) -> None:
        server = self.servers[coming.target]
        server.status, server.updated_at = coming.details["status"], coming.at
        source = self.snapshots.get(coming.details["snapshot"])
        if coming.details["drops_newer"] and source is not None:
            for snapshot in self.snapshots_of(server.id):
                if snapshot.created_at > source.created_at:
                    self.remove_snapshot(snapshot.id)

    # How long, how large ------------------------------------------------------------------------

    def create_seconds(self, snapshot: Snapshot) -> float:
        """3-10 minutes: mostly by the server's storage, partly by chance fixed to the id."""
        return self._seconds(CREATE_SECONDS, self.servers[snapshot.server], snapshot.id)

    def restore_seconds(self, server: Server, snapshot: str) -> float:
        """5-15 minutes, likewise."""
        return self._seconds(RESTORE_SECONDS, server, f"restore {snapshot}")

    def _seconds(self, span: tuple[int, int], server: Server, seed: str) -> float:
        storage = float(server.plan.get("storage") or 0)
        a = self.assumptions
        share = a.storage_share * min(storage / a.longest_storage, 1.0)
        share += (1 - a.storage_share) * _chance(seed)
        return (span[0] + (span[1] - span[0]) * share) / self.pace

    def _size(self, snapshot: Snapshot) -> int:
        storage = float(self.servers[snapshot.server].plan.get("storage") or 0)
        return max(1, round(storage * (56 + 16 * _chance(f"size {snapshot.id}"))))

    # Numbers ------------------------------------------------------------------------------------

    def _next(self, counter: str) -> int:
        number = self.counters[counter]
        self.counters[counter] = number + 1
        return number

    def _id(self, account: str, what: str, number: int) -> str:
        """One row of numbers for all accounts, so that an id is never there twice."""
        if self.accounts[account].dialect == "live":
            return str(uuid.UUID(bytes=_digest(f"{what} {number}")[:16], version=4))
        return str(number)

    def _come(
        self, at: float, kind: str, target: str, details: dict[str, Any] | None = None
    ) -> None:
        self.coming.append(Coming(at, kind, target, self._next("coming"), details or {}))
        self.changes += 1

    # Saving -------------------------------------------------------------------------------------

    def export(self) -> dict[str, Any]:
        """Everything, as plain values fit for JSON."""
        return {
            "accounts": [asdict(a) for a in self.accounts.values()],
            "tokens": [asdict(t) for t in self.tokens.values()],
            "servers": [asdict(s) for s in self.servers.values()],
            "snapshots": [asdict(s) for s in self.snapshots.values()],
            "coming": [asdict(c) for c in self.coming],
            "counters": dict(self.counters),
        }

    def load(self, data: dict[str, Any]) -> None:
        """Become what `export` gave."""
        self.accounts = {a["id"]: Account(**a) for a in data["accounts"]}
        self.tokens = {t["secret"]: Token(**t) for t in data["tokens"]}
        self.servers = {s["id"]: Server(**s) for s in data["servers"]}
        self.snapshots = {s["id"]: Snapshot(**s) for s in data["snapshots"]}
        self.coming = [Coming(**c) for c in data["coming"]]
        self.counters = dict(data["counters"])
        self.changes += 1

    def still(self) -> World:
        """A copy in which time stands still: what a listing that lags behind is read from."""
        copy = World(self.assumptions, pace=self.pace)
        copy.accounts = {k: replace(v) for k, v in self.accounts.items()}
        copy.tokens = self.tokens
        copy.servers = {k: replace(v) for k, v in self.servers.items()}
        copy.snapshots = {k: replace(v) for k, v in self.snapshots.items()}
        copy.coming = list(self.coming)
        return copy


def _digest(seed: str) -> bytes:
    return hashlib.sha256(seed.encode()).digest()


def _chance(seed: str) -> float:
    """A number from 0 to 1 that is always the same for the same words."""
    return int.from_bytes(_digest(seed)[:4], "big") / 2**32


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower())
    return "-".join(kept.split()) or "account"

"""What people do at the provider without calling the API: in its panel, or by its support.

No rule is asked and no permission: each method simply makes it so, and writes one line
`outside` to the log. Ids may be given as strings or integers. A KeyError means there is no such
thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .clock import epoch
from .nouns import Token
from .world import World

if TYPE_CHECKING:
    from .simulator import Simulator


class Outside:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    # Snapshots

    def create_snapshot(
        self, server: str | int, name: str, description: str = "", *, fails: bool = False
    ) -> str:
        """Begin a snapshot as the panel does: by the rules, and it ends by itself."""
        with self._simulator.changing() as world:
            now = self._simulator.clock.now()
            made = world.create_snapshot(str(server), name, description, now=now, fails=fails)
            return self._note("create_snapshot", made.id, server=made.server)

    def delete_snapshot(self, snapshot: str | int) -> str:
        """Make a snapshot vanish, whatever its state."""
        with self._simulator.changing() as world:
            gone = world.remove_snapshot(str(snapshot))
            return self._note("delete_snapshot", gone.id, server=gone.server)

    def change_snapshot(self, snapshot: str | int, **fields: Any) -> str:
        """Overwrite fields: name, status, size_mb, created_at, description."""
        allowed = {"name", "status", "size_mb", "created_at", "description"}
        if "created_at" in fields:
            fields["created_at"] = epoch(fields["created_at"])
        with self._simulator.changing() as world:
            self._overwrite(world, world.snapshots[str(snapshot)], fields, allowed)
            return self._note("change_snapshot", str(snapshot), fields=sorted(fields))

    def rename_snapshot(self, snapshot: str | int, name: str) -> str:
        return self.change_snapshot(snapshot, name=name)

    def restore_snapshot(self, snapshot: str | int, **twist: Any) -> str:
        """Begin a restore as the panel does; `shows`, `ends`, `drops_newer` as for the faults."""
        with self._simulator.changing() as world:
            now = self._simulator.clock.now()
            server = world.restore_snapshot(str(snapshot), now=now, **twist)
            return self._note("restore_snapshot", str(snapshot), server=server.id)

    # Servers

    def create_server(self, account: str, name: str, **fields: Any) -> str:
        id = self._simulator.server(account, name, **fields)
        return self._note("create_server", id, server=id)

    def delete_server(self, server: str | int) -> str:
        """Make a server vanish with its snapshots."""
        with self._simulator.changing() as world:
            return self._note("delete_server", world.remove_server(str(server)).id)

    def change_server(self, server: str | int, **fields: Any) -> str:
        """Overwrite fields: name, hostname, status, ip_address, location, plan, os."""
        allowed = {"name", "hostname", "status", "ip_address", "location", "plan", "os"}
        with self._simulator.changing() as world:
            machine = world.servers[str(server)]
            self._overwrite(world, machine, fields, allowed)
            machine.updated_at = self._simulator.clock.now()
            return self._note("change_server", machine.id, server=machine.id, fields=sorted(fields))

    def rename_server(self, server: str | int, name: str) -> str:
        return self.change_server(server, name=name)

    def power(self, server: str | int, action: str) -> str:
        """start, stop, restart or hard_stop, by the rules."""
        with self._simulator.changing() as world:
            machine = world.power(str(server), action, now=self._simulator.clock.now())
            return self._note("power", machine.id, server=machine.id, action=action)

    # Accounts and tokens, which are named by their secret or their name

    def create_account(self, name: str, dialect: str = "documented") -> str:
        """A new account; returns a token that may do everything."""
        secret = self._simulator.account(name, dialect)
        self._note("create_account", self._simulator.account_id(secret))
        return secret

    def create_token(
        self, account: str, name: str = "", permissions: Iterable[str] = ("*:*",)
    ) -> str:
        secret = self._simulator.token(account, name, permissions)
        self._note("create_token", self._simulator.account_id(secret))
        return secret

    def revoke_token(self, token: str) -> str:
        """From now on the token is answered 401."""
        with self._simulator.changing() as world:
            found = _token(world, token)
            found.active = False
            world.changes += 1
            return self._note("revoke_token", found.name)

    def reissue_token(self, token: str) -> str:
        """The token gets a new secret, which is returned; the old one is answered 401."""
        with self._simulator.changing() as world:
            old = _token(world, token)
            # The log knows a token by its name, so the new one takes it over.
            del world.tokens[old.secret]
            new = world.add_token(old.account, old.name, old.permissions)
            self._note("reissue_token", new.name)
            return new.secret

    def allow_token(self, token: str) -> str:
        """A revoked token works again."""
        with self._simulator.changing() as world:
            found = _token(world, token)
            found.active = True
            world.changes += 1
            return self._note("allow_token", found.name)

    def set_permissions(self, token: str, permissions: Iterable[str]) -> str:
        with self._simulator.changing() as world:
            found = _token(world, token)
            found.permissions = [str(permission) for permission in permissions]
            world.changes += 1
            return self._note("set_permissions", found.name, permissions=found.permissions)

    def keep_descriptions(self, account: str, keep: bool) -> str:
        """Whether this account keeps the descriptions of snapshots to come."""
        with self._simulator.changing() as world:
            found = world.accounts[self._simulator.account_id(account)]
            found.keeps_descriptions = bool(keep)
            world.changes += 1
            return self._note("keep_descriptions", found.id, keep=found.keeps_descriptions)

    def _overwrite(
        self, world: World, thing: Any, fields: dict[str, Any], allowed: set[str]
    ) -> None:
        for name in fields.keys() - allowed:
            raise ValueError(f"no field {name!r}; there are {', '.join(sorted(allowed))}")
        for name, value in fields.items():
            setattr(thing, name, value)
        world.changes += 1

    def _note(self, what: str, id: str, **more: Any) -> str:
        self._simulator.history.write("outside", what=what, ids=[id], **more)
        return id


def _token(world: World, token: str) -> Token:
    if token in world.tokens:
        return world.tokens[token]
    for found in world.tokens.values():
        if found.name == token:
            return found
    raise KeyError("no such token")

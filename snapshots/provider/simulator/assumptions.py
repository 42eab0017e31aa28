"""Everything about the provider that no public page says, in one place.

The rest of the simulator follows the vendor's documentation on snapshots and what its published
clients show. Each line below is our choice. When the real service turns out to differ, change
the line and run every test again: that is what this table is for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What we assume of the provider. Pass another one to `Simulator(assumptions=...)`."""

    # Status words the documentation does not spell.
    stopped_status: str = "stopped"
    suspended_status: str = "suspended"
    failed_status: str = "failed"
    after_restore_status: str = "active"

    # Which snapshots fill the five places, and which can be restored or deleted.
    counted_statuses: tuple[str, ...] = ("in_progress", "completed")
    restorable_statuses: tuple[str, ...] = ("completed",)
    deletable_statuses: tuple[str, ...] = ("completed",)

    # In which state a server accepts what. Creating on a running server is documented as allowed.
    create_on: tuple[str, ...] = ("active", "stopped")
    restore_on: tuple[str, ...] = ("active", "stopped")
    power_on: tuple[str, ...] = ("active", "stopped")
    one_create_at_a_time: bool = True
    restore_waits_for_create: bool = True
    equal_names_allowed: bool = True

    # Lengths. The documentation gives the alphabet of a name and no length at all.
    name_length: int = 255
    description_length: int = 1000

    # Permissions look like "servers:*", "servers:read", "*:*" (seen); that snapshots belong to
    # "servers", and that "servers:write" is the other half, is assumed.
    snapshot_resource: str = "servers"

    # The texts of refusals (their codes are documented, their words are not).
    limit_text: str = "Snapshot limit reached. You can have a maximum of 5 snapshots per server."
    create_state_text: str = "Server is not in a valid state for a snapshot."
    create_busy_text: str = "A snapshot of this server is already in progress."
    same_name_text: str = "A snapshot with this name already exists."
    restore_state_text: str = "Server is not in a valid state for restoration."
    restore_snapshot_text: str = "Snapshot is not completed and cannot be restored."
    delete_snapshot_text: str = "Snapshot is not completed and cannot be deleted."
    delete_busy_text: str = "Snapshot is being restored and cannot be deleted."
    power_state_text: str = "Server is not in a valid state for this action."

    # Power takes effect at once, and switching a server to what it already is is refused.
    power_text: str = "Power action '{action}' has been sent to the server."

    # The name of a snapshot that was created by label, without a label.
    unlabelled_name: str = "snapshot-{stamp}"

    # How long a create (3-10 min) or restore (5-15 min) takes within its documented span: this
    # share by the server's storage, up to the disk that takes longest, the rest by chance fixed
    # to the snapshot's id.
    storage_share: float = 0.75
    longest_storage: int = 640

    # The live dialect shows a create and no listing of snapshots: its items are assumed to be
    # the documented ones with `uuid` for `id` and `hostname` for the server's `name`.
    page_size: int = 20  # seen
    max_page_size: int = 100  # seen

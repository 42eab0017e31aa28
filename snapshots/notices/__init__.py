"""Being told: the outbox, who wants what, e-mail, webhooks. Nothing here touches an operation."""

from snapshots.notices.delivery import deliver, tidy
from snapshots.notices.outbox import write_messages

__all__ = ["deliver", "tidy", "write_messages"]

"""The history's chain: what makes it noticed when somebody who has the database changes a line."""

from snapshots.audit.chain import Head, Report, head, overdue, seal, verify
from snapshots.audit.heads import publish, read

__all__ = ["Head", "Report", "head", "overdue", "publish", "read", "seal", "verify"]

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class SnapshotsConfig(AppConfig):
    name = "snapshots"

    def ready(self) -> None:
        from snapshots.models import append_only

        pre_migrate.connect(append_only.before_migrate, sender=self)
        post_migrate.connect(append_only.after_migrate, sender=self)

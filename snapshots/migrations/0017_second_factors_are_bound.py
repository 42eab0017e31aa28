"""The secrets of second factors were sealed for nobody in particular; now for their row."""

from django.conf import settings
from django.db import migrations

from snapshots import secrets

SEALED = ("secret", "seed", "migrated_codes")


def bind(apps, schema_editor):
    keys = settings.TOKEN_KEYS
    for row in apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn"):
        name = f"{row.user_id}:{row.type}"

        def bound(text, name=name):
            if isinstance(text, list):
                return [bound(one) for one in text]
            if "|" in text:
                return text
            try:
                value = secrets.open_sealed(text, owner="second factor", keys=keys).reveal()
            except secrets.CannotOpen:
                return text  # opened it will be by nobody, as before
            return f"{name}|{secrets.seal(value, owner=f'second factor {name}', keys=keys)}"

        row.data |= {key: bound(row.data[key]) for key in SEALED if key in row.data}
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [
        ("snapshots", "0016_approvals"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(bind, migrations.RunPython.noop)]

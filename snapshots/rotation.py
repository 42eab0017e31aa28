"""From old keys to a new one: what is sealed in the database is sealed again, while all goes on.

Rows are taken some at a time, each portion a short transaction. Each is changed only if it is as it
was read, so whoever puts in another token meanwhile is not undone. Killed anywhere, it begins again
where it was: what the first key has sealed is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from snapshots import secrets
from snapshots.models import Account, Webhook

PORTION = 50


class Place(NamedTuple):
    """A column with something sealed in it, and what the seal of each row is bound to."""

    model: type[Model]
    column: str
    owner: Callable[[int], str]

    def __str__(self) -> str:
        return f"{self.model._meta.model_name}.{self.column}"


PLACES = [
    Place(Account, "sealed_token", "account:{}:token".format),
    Place(Webhook, "sealed_secret", "webhook:{}:secret".format),
    Place(Webhook, "sealed_old_secret", "webhook:{}:secret".format),
]


@dataclass
class Outcome:
    """What was done at one place. `shut` are the ids that no key opens."""

    place: Place
    sealed: int = 0
    shut: list[int] = field(default_factory=list)


def rotate() -> Iterator[Outcome]:
    """Seal everything with the first of `TOKEN_KEYS`."""
    for place in PLACES:
        outcome = Outcome(place)
        while portion := list(_left(place).exclude(pk__in=outcome.shut)[:PORTION]):
            with transaction.atomic():
                for pk, sealed in portion:
                    _seal_again(outcome, pk, sealed)
        yield outcome


def left() -> int:
    """How many values an old key sealed, or none that we have."""
    return sum(_left(place).count() for place in PLACES)


def _left(place: Place) -> QuerySet[Any, tuple[int, str]]:
    new = secrets.key_id(settings.TOKEN_KEYS[0])
    done = Q(**{place.column: ""}) | Q(**{f"{place.column}__startswith": f"{new}."})
    rows = place.model._default_manager.exclude(done)
    return rows.order_by("pk").values_list("pk", place.column)


def _seal_again(outcome: Outcome, pk: int, sealed: str) -> None:
    place, keys = outcome.place, settings.TOKEN_KEYS
    owner = place.owner(pk)
    try:
        value = secrets.open_sealed(sealed, owner=owner, keys=keys)
    except secrets.CannotOpen:
        outcome.shut.append(pk)
        return
    again = secrets.seal(value.reveal(), owner=owner, keys=keys)
    row = place.model._default_manager.filter(pk=pk, **{place.column: sealed})
    outcome.sealed += row.update(**{place.column: again})

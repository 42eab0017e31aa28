"""How far a membership reaches that does not reach everything: accounts, and tagged servers."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from snapshots.models.account import Account
from snapshots.models.guard import Guard, Guarded
from snapshots.models.inventory import Server
from snapshots.models.people import Team


class Tag(Guarded):
    """A short word that a team gave some of its servers. The provider knows nothing of it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="tags")
    word = models.CharField(_("tag"), max_length=30)
    servers = models.ManyToManyField(Server, related_name="tags")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "word"], name="one_tag_a_word"),
            models.CheckConstraint(
                condition=models.Q(guard__in=["", *Guard.values]), name="known_guard_of_a_tag"
            ),
        ]

    def __str__(self) -> str:
        return self.word

    @property
    def called(self) -> str:
        return f"#{self.word}"


class Scope(models.Model):
    """The servers of `accounts`, and those that have one of `tags`; with neither, nothing.

    A row is never changed: whoever is to reach something else is given another one.
    """

    accounts = models.ManyToManyField(Account, related_name="+")
    tags = models.ManyToManyField(Tag, related_name="scopes")

    @classmethod
    def of(cls, accounts: Iterable[Account], tags: Iterable[Tag]) -> Scope:
        scope = cls.objects.create()
        scope.accounts.set(accounts)
        scope.tags.set(tags)
        return scope

    @property
    def words(self) -> str:
        """What is in it, for people: the same in every language."""
        return words_of(self.accounts.all(), self.tags.all())


def words_of(accounts: Iterable[Account], tags: Iterable[Tag]) -> str:
    labels = [account.label for account in accounts]
    return ", ".join([*sorted(labels), *sorted(f"#{tag.word}" for tag in tags)])

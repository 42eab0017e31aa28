"""Who may do what, and who sees whose."""

import pytest

from snapshots import permissions
from snapshots.models import Role
from tests.conftest import take

RIGHTS_OF = {
    Role.VIEWER: {"view"},
    Role.OPERATOR: {"view", "create", "describe"},
    Role.RESTORER: {
        *("view", "create", "describe"),
        *("delete", "restore", "protect", "power", "approve"),
    },
    Role.ADMIN: set(permissions.RIGHTS) - {"break_glass"},
    Role.OWNER: set(permissions.RIGHTS),
}


@pytest.mark.parametrize("role", Role)
def test_the_table_gives_each_role_its_rights_and_no_more(role):
    assert permissions.TABLE[role] == RIGHTS_OF[role]


def test_mallory_sees_nothing_of_theirs(account, server, snapshot, oscar, mallory):
    take(server, oscar)
    for visible in (
        permissions.visible_accounts,
        permissions.visible_servers,
        permissions.visible_snapshots,
        permissions.visible_operations,
    ):
        assert visible(oscar).exists()
        assert not visible(mallory).exists()
    assert not permissions.visible_events(mallory).filter(server__isnull=False).exists()


def test_a_viewer_reads_what_happened_to_servers_but_not_to_accounts(
    account, server, oscar, vera, alice
):
    take(server, oscar)
    assert set(permissions.visible_events(vera).values_list("verb", flat=True)) == {"create.asked"}
    assert "account.connected" in permissions.visible_events(alice).values_list("verb", flat=True)


def test_a_suspended_person_may_nothing(team, rosa):
    rosa.is_active = False
    rosa.save()
    assert not permissions.may(rosa, permissions.VIEW, team)
    assert not permissions.may_now(rosa.pk, permissions.RESTORE, team.pk)


def test_a_right_in_one_team_is_none_in_another(team, mallory):
    assert not permissions.may(mallory, permissions.RESTORE, team)

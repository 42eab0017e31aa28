"""What most pages are about: the server web-1, and its snapshot of eleven days ago."""

import pytest

from tests.pages.factories import a_server, a_snapshot, an_account


@pytest.fixture
def web(team):
    return a_server(an_account(team))


@pytest.fixture
def old(web):
    return a_snapshot(web, "pre-upgrade", days=11)

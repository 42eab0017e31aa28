"""A restore that people can trust, told in a browser with real workers behind the pages.

`make test` plays the second person's story, `make proof` all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from snapshots import operations
from snapshots.models import Operation, Server, User
from snapshots.provider.simulator import Simulator
from tests.browser.conftest import visit_as
from tests.conftest import fresh
from tests.flow.conftest import Works, account, provider, server, works  # noqa: F401  fixtures
from tests.long import LONG

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 60_000  # milliseconds


class Story:
    """Rosa at her page, the server web-1 with the snapshot pre-upgrade, and who else is needed."""

    def __init__(self, works: Works, server: Server, visit: Callable[[User], Any]) -> None:  # noqa: F811
        self.works, self.server, self.visit = works, server, visit
        self.provider: Simulator = works.provider
        self.page: Any = None

    def open(self) -> None:
        snapshot = self.server.snapshots.get(name="pre-upgrade")
        self.page.goto(f"/snapshots/{snapshot.pk}/restore/")

    def go_without(self, why: str) -> None:
        self.page.uncheck("[name=safety_snapshot]")
        self.page.fill("[name=why_without]", why)

    def confirm(self) -> None:
        self.page.fill("[name=typed]", "web-1")
        self.page.click("#restore")

    def see(self, words: str) -> None:
        self.page.get_by_text(words).first.wait_for(timeout=PATIENCE)

    def ends(self, state: str) -> Operation:
        """The page tells it by itself."""
        self.page.locator(f"main .badge-status:has-text('{state}')").first.wait_for(
            timeout=PATIENCE
        )
        return Operation.objects.get(parent=None, kind="restore")

    def way_back(self, restore: Operation, known: str) -> None:
        self.works.wait_for(lambda: operations.way_back(fresh(restore)) == known)
        self.page.reload()

    def sent(self) -> int:
        return len(self.provider.calls("POST", "/restore/"))

    def hold(self, seconds: int) -> None:
        team = self.server.account.team
        team.hold = seconds
        team.save()

    def status(self, word: str) -> None:
        with self.provider.changing() as world:
            world.servers[self.server.remote_id].status = word


def a_second_person_approves(story: Story, alice: User) -> None:
    Server.objects.filter(pk=story.server.pk).update(guard="guarded", guard_by_name="Alice")
    story.open()
    story.confirm()
    story.see("Nothing has been sent and nothing has been changed yet.")
    hers = story.visit(alice)
    hers.goto("/")
    hers.get_by_role("link", name="Restore of web-1 to pre-upgrade").click()
    hers.fill("#approve-title >> xpath=ancestor::section >> [name=typed]", "web-1")
    assert story.sent() == 0
    hers.click("#approve")
    restore = story.ends("Succeeded")
    assert (restore.approval.by, story.sent()) == (alice, 1)


def a_full_server_is_restored_and_the_way_back_is_there(story: Story, alice: User) -> None:
    with story.provider.changing() as world:
        remote_id = world.servers[story.server.remote_id].id
    for day in range(2, 6):
        taken = datetime(2026, 11, day, tzinfo=UTC)
        story.provider.snapshot(remote_id, f"weekly-{day}", created_at=taken)
    story.works.wait_for(lambda: story.server.snapshots.filter(gone_at=None).count() == 5)
    story.open()
    weekly = story.server.snapshots.get(name="weekly-2")
    story.page.check(f"#going-{weekly.pk}")
    story.page.fill("[name=typed_going]", "weekly-2")
    story.confirm()
    story.see("First weekly-2 is deleted, to make room")
    restore = story.ends("Succeeded")
    assert story.sent() == 1
    assert fresh(weekly).gone_at is not None
    story.way_back(restore, "there")
    story.page.click("#undo")
    story.see("What is overwritten, and with what")


def a_fact_that_changes_stops_it_on_the_page_and_before_sending(story: Story, alice: User) -> None:
    story.open()
    story.status("stopped")
    story.works.wait_for(lambda: fresh(story.server).status == "stopped")
    story.confirm()
    story.see("state of the server: active → stopped")
    story.hold(15)
    story.open()
    story.go_without("Rebuilt daily")
    story.confirm()
    story.page.wait_for_url("**/operations/*/")
    story.status("active")
    story.ends("Failed")
    story.see("server_status: stopped → active")
    assert story.sent() == 0


def a_provider_that_drops_newer_snapshots_leaves_no_way_back(story: Story, alice: User) -> None:
    story.provider.faults.add("drops_newer")
    story.open()
    story.confirm()
    story.way_back(story.ends("Succeeded"), "gone")
    story.see("There is no way back")
    assert story.page.locator("#undo").count() == 0


def a_safety_snapshot_that_fails_leaves_the_server_as_it_is(story: Story, alice: User) -> None:
    story.provider.faults.add("create_fails")
    story.open()
    story.confirm()
    story.ends("Failed")
    assert story.sent() == 0


def a_hold_is_cancelled(story: Story, alice: User) -> None:
    story.hold(5)
    story.open()
    story.go_without("Rebuilt daily")
    story.confirm()
    story.page.get_by_role("button", name="Cancel this restore").click()
    restore = story.ends("Cancelled")
    story.page.wait_for_timeout(8_000)  # the hold, and more
    assert (fresh(restore).state, story.sent()) == ("cancelled", 0)


STORIES = [
    a_second_person_approves,
    a_full_server_is_restored_and_the_way_back_is_there,
    a_fact_that_changes_stops_it_on_the_page_and_before_sending,
    a_provider_that_drops_newer_snapshots_leaves_no_way_back,
    a_safety_snapshot_that_fails_leaves_the_server_as_it_is,
    a_hold_is_cancelled,
]


@pytest.fixture
def story(
    works: Works,  # noqa: F811
    server: Server,  # noqa: F811
    browser: Any,
    live_server: Any,
    rosa: User,
) -> Iterator[Story]:
    pages = []

    def visit(person: User) -> Any:
        pages.append(visit_as(browser, live_server.url, person, reduced_motion="reduce"))
        return pages[-1]

    story = Story(works, server, visit)
    story.page = visit(rosa)
    yield story
    for page in pages:
        page.context.close()


@pytest.mark.parametrize("tell", STORIES if LONG else STORIES[:1], ids=lambda tell: tell.__name__)
def test_told_in_a_browser(story: Story, alice: User, tell: Callable[[Story, User], None]) -> None:
    tell(story, alice)

"""The id of a request is in the worker's log too."""

from django.urls import reverse

from snapshots import audit
from snapshots.models import Event
from tests.conftest import take


def test_what_a_click_sets_going_is_logged_under_the_clicks_id(
    works, server, alice, client
) -> None:
    client.force_login(alice)
    form = client.get(reverse("take_snapshot", args=[server.pk]))
    key = form.context["form"]["request_key"].value()
    response = client.post(
        reverse("take_snapshot", args=[server.pk]), {"name": "before-update", "request_key": key}
    )
    assert response.status_code == 303
    given = response["X-Request-ID"]
    log = works.home / "worker.log"
    works.wait_for(lambda: given in log.read_text(errors="replace"))
    (line,) = [one for one in log.read_text().splitlines() if given in one]
    assert "task=snapshots.send" in line


def test_what_is_done_is_sealed_within_seconds_and_the_head_is_kept(works, server, oscar) -> None:
    operation = take(server, oscar)
    works.wait_for_state(operation, "succeeded")
    works.wait_for(lambda: not Event.objects.filter(seq=None).exists(), seconds=20)
    heads = audit.read(works.home / "heads")
    report = audit.verify(heads)
    assert (report.findings, report.late) == ([], 0)
    assert report.lines == Event.objects.count() > 3
    assert heads


def test_what_is_said_to_the_broker_is_overheard(works) -> None:
    """So that a token in it would be seen: see `tests/canary.py`."""
    said = works.home / "broker.log"
    works.wait_for(lambda: said.exists() and b"snapshots.tick" in said.read_bytes())

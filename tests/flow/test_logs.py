"""The id of a request is in the worker's log too."""

from django.urls import reverse


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


def test_what_is_said_to_the_broker_is_overheard(works) -> None:
    """So that a token in it would be seen: see `tests/canary.py`."""
    said = works.home / "broker.log"
    works.wait_for(lambda: said.exists() and b"snapshots.tick" in said.read_bytes())

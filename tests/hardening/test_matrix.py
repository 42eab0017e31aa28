"""Every address, asked for and posted to by everybody: matrix.txt says what becomes of it."""

from __future__ import annotations

from typing import Any

from snapshots.models import User
from tests.hardening.asks import ASKS, Ask
from tests.hardening.scene import COLUMNS, Scene
from tests.hardening.table import ROUTES, ROWS, Row
from tests.hardening.visits import PASSING, TOLD, visit
from tests.long import LONG

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}
# With htmx an answer is told in another way: to nobody, for want of a membership, and of a right.
# `make proof` asks in both ways for everybody.
HTMX_FOR = COLUMNS if LONG else ("nobody", "suspended", "vera", "alice")
OTHERS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
REFUSED = {"in", "403", "404", "405", "409", "410", "422"}
DONE = {"200", "302", "303"}
# django-allauth copies one's own address into its table when it is first asked for.
COPIED = {"account_emailaddress"}


def test_every_address_has_a_row_and_every_row_an_address():
    named = {row.partition(":")[0] for row in ROWS}
    assert sorted(set(ROUTES) - named) == [], "no row says what becomes of these addresses"
    assert sorted(named - set(ROUTES)) == [], "these rows are of no address"
    assert sorted(set(ASKS) - set(ROWS)) == [], "these asks are of no row"


def test_what_becomes_of_each_is_what_the_matrix_says(scene, subtests):
    for name in sorted({*ROWS, *ROUTES, *ASKS}):
        with subtests.test(name):
            seen = observed(scene, name).line()
            assert name in ROWS, f"no row in matrix.txt. As it is now:\n{seen}"
            assert seen == ROWS[name].line()


def test_what_is_refused_for_want_of_a_right_is_done_with_it():
    """So no body fails for another reason, and hides that the role was not asked."""
    for row in ROWS.values():
        sent = {sent for _got, sent in row.cells.values()}
        assert "403" not in sent or sent & DONE or row.name.endswith(":of-owner"), row.name


def test_whose_account_is_switched_off_is_nobody(scene):
    User.objects.filter(pk=scene.people["adam"].pk).update(is_active=False)
    for row in ROWS:
        assert outcome(scene, row, "adam", "GET", {}) == ROWS[row].cells["nobody"][0], row


def observed(scene: Scene, row: str) -> Row:
    """What becomes of it now. Fails if a refusal or a look changes anything."""
    cells = {
        who: (settled(scene, row, who, "GET"), settled(scene, row, who, "POST")) for who in COLUMNS
    }
    others = {
        outcome(scene, row, who, method, {}) for who in ("mallory", "alice") for method in OTHERS
    }
    strangers = {outcome(scene, row, "nobody", method, {}) for method in OTHERS}
    asked = cells["nobody"][0]
    assert strangers <= ({"in"} if asked == "in" else {asked, "405", "200"})
    for who in ("nobody", "alice"):
        assert outcome(scene, row, who, "HEAD", {}) == cells[who][0]
    return Row(row, "|".join(sorted(others)), cells)


def settled(scene: Scene, row: str, who: str, method: str) -> str:
    """One outcome, the same with and without htmx."""
    plain = outcome(scene, row, who, method, {})
    if who in HTMX_FOR:
        hx = outcome(scene, row, who, method, HTMX)
        assert plain == hx, f"{who}, {method}: {plain}, with htmx {hx}"
    return plain


def outcome(scene: Scene, row: str, who: str, method: str, headers: dict[str, str]) -> str:
    answer, written = visit(scene, row, who, method, headers)
    if not ASKS.get(row, Ask()).opened and row != "open_invitation":
        assert not leaked(scene, who, answer), f"{who}: {method} tells of the other team"
    word = named(answer, is_htmx=bool(headers))
    if method != "POST":
        assert written <= PASSING | COPIED, f"{who}: {method} wrote to {written}"
    elif word in REFUSED:
        assert written <= PASSING | TOLD, f"{who}: refused, and {written} written"
    return word


def leaked(scene: Scene, who: str, answer: Any) -> list[str]:
    """Whose word stands in it that is not theirs.

    The suspended have a name, and are told where they are suspended and by whom to be let in.
    """
    said, person = (answer.said + repr(answer.headers)).lower(), scene.people.get(who)
    known = [person.name, person.email] if person else []
    if who == "suspended":
        known += [scene.ours.team.name, *(scene.people[one].name for one in ("alice", "adam"))]
    for own in known:
        said = said.replace(own.lower(), "")
    worlds = (scene.ours, scene.theirs)
    foreign = [one for one in worlds if who not in one.people or who == "suspended"]
    return [one.word for one in foreign if one.word in said]


def named(answer: Any, *, is_htmx: bool) -> str:
    """The status; `in` for the way to the sign-in, whichever way htmx is told of it."""
    leads_to = answer.headers.get("HX-Redirect" if is_htmx else "Location", "")
    if answer.status_code == (401 if is_htmx else 302) and leads_to.startswith("/auth/login/?next"):
        return "in"
    if answer.status_code == 200 and leads_to:
        return "303"
    return str(answer.status_code)

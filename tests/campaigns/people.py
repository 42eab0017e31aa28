"""People with a browser: sessions, forms as the pages have them, impatience, and a second try.

What they do is decided by the seed; what they are answered is written down as `Click`s, which the
checker compares with the rows. The same form is sent again for as long as nobody answers it.
"""

from __future__ import annotations

import html
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.campaigns.town import Town

PASSWORD = "a long campaign password"
PATIENCE = 40.0  # seconds in which a form is sent again and again
Form = dict[str, Any]


@dataclass
class Click:
    """One form that somebody sent, and what came of it."""

    at: float
    who: str
    what: str
    key: str  # the form's request_key; empty for a cancel or a verdict
    path: str
    statuses: list[int] = field(default_factory=list)
    location: str = ""

    @property
    def accepted(self) -> bool:
        return bool(self.location)


@dataclass
class Notes:
    """What all people together have seen."""

    clicks: list[Click] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # pages answered 500, or with an unknown error
    unanswered: int = 0


class Browser:
    """One person's, signed in for as long as the session holds."""

    def __init__(self, town: Town, email: str, notes: Notes) -> None:
        self.town, self.email, self.notes = town, email, notes
        self.session = requests.Session()
        self.session.headers["Accept-Language"] = "en"

    def ask(self, method: str, path: str, form: Form | None = None) -> requests.Response | None:
        """One request. None if nobody answered."""
        headers = {"Referer": self.town.url + path}
        try:
            answer = self.session.request(
                method,
                self.town.url + path,
                data=form,
                headers=headers,
                timeout=45,
                allow_redirects=False,
            )
        except requests.RequestException:
            self.notes.unanswered += 1
            return None
        self.notes.statuses[f"{method} {answer.status_code}"] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            told = answer.headers.get("X-Request-ID", "")
            self.notes.broken.append(f"{method} {path}: {answer.status_code} ({told})")
        return answer

    def read(self, path: str) -> str:
        """A page; empty if it could not be had."""
        answer = self.ask("GET", path)
        if answer is not None and answer.status_code == 302:
            self.sign_in()
            answer = self.ask("GET", path)
        return answer.text if answer is not None and answer.status_code == 200 else ""

    def sign_in(self) -> None:
        path = "/auth/login/"
        page = self.ask("GET", path)
        form = form_of(page.text, path) if page is not None and page.status_code == 200 else None
        if form is not None:
            self.ask("POST", path, form | {"login": self.email, "password": PASSWORD})

    def proven(self, form: Form) -> Form:
        """The same form from the page that asks whether it is them."""
        return form | {"proof_password": PASSWORD}

    def send(self, what: str, path: str, form: Form, *, twice: bool = False) -> Click:
        """Send a form until somebody answers; `twice`: with a second click at the same moment."""
        click = Click(time.time(), self.email, what, form.get("request_key", ""), path)
        self.notes.clicks.append(click)
        if twice:
            other = threading.Thread(target=self.ask, args=("POST", path, form))
            other.start()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.ask("POST", path, form)
            if (
                answer is not None and answer.status_code == 401
            ):  # it was long ago that they signed in
                answer = self.ask("POST", path, self.proven(form))
            click.statuses.append(answer.status_code if answer is not None else 0)
            if answer is not None and answer.status_code != 503:
                if answer.status_code == 303:
                    click.location = answer.headers["Location"]
                break
            time.sleep(0.5)
        if twice:
            other.join()
        return click


def form_of(page: str, action: str) -> Form | None:
    """The fields of the page's form that is sent to `action`, filled in as the page has them."""
    for head, body in re.findall(r"<form\b([^>]*)>(.*?)</form>", page, re.DOTALL):
        if attribute(head, "method") != "post" or attribute(head, "action") not in (action, ""):
            continue
        form: Form = {}
        for field_ in re.findall(r"<input\b([^>]*)>", body):
            kind, name = attribute(field_, "type"), attribute(field_, "name")
            if kind == "checkbox":
                continue
            if name in form and kind == "hidden":  # several of one name
                known = form[name] if isinstance(form[name], list) else [form[name]]
                form[name] = [*known, attribute(field_, "value")]
            elif name:
                form[name] = attribute(field_, "value")
        return form
    return None


def attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def typed(page: str) -> str:
    """What the page wants typed."""
    found = re.search(r">\s*Type (?:“(.+?)”|(.+?)) to confirm", page)
    return html.unescape(found[1] or found[2]) if found else ""


class Person(threading.Thread):
    """Somebody at work, until `leave` is set."""

    def __init__(
        self, town: Town, email: str, servers: list[int], seed: str, pause: float, notes: Notes
    ) -> None:
        super().__init__(name=email, daemon=True)
        self.browser = Browser(town, email, notes)
        self.servers, self.pause = servers, pause
        self.chance = random.Random(seed)
        self.arrived = threading.Event()
        self.leave = threading.Event()
        self.only_judge = threading.Event()

    def run(self) -> None:
        self.browser.sign_in()
        self.arrived.set()
        while not self.leave.wait(self.chance.uniform(0.2, 1.8) * self.pause):
            try:
                self.act()
            except Exception as error:
                self.browser.notes.broken.append(f"{self.name}: {error!r}")

    def act(self) -> None:
        """Open a server's page, and do one of the things that it offers."""
        server, wish = self.chance.choice(self.servers), self.chance.random()
        twice, again = self.chance.random() < 0.1, self.chance.random()
        page = self.browser.read(f"/servers/{server}/")
        operations = re.findall(r'href="(/operations/\d+/)"', page)
        if "Needs approval" in page and operations and (again < 0.6 or self.only_judge.is_set()):
            self.decide(operations)
        elif "Needs a person" in page and operations:
            self.judge(operations)
        elif "Held" in page and operations and (again < 0.5 or self.only_judge.is_set()):
            self.think_over("release", operations)
        elif self.only_judge.is_set() or not page:
            return
        elif operations and again < 0.15:
            self.cancel(self.chance.choice(operations))
        elif operations and again < 0.25:
            self.think_over("hold", operations)
        elif start := form_of(page, f"/servers/{server}/start/"):
            self.browser.send("start", f"/servers/{server}/start/", start, twice=twice)
        elif wish < 0.10:
            self.take_several()
        elif wish < 0.18:
            self.delete_several(re.findall(r'href="/snapshots/(\d+)/delete/"', page))
        elif wish < 0.55 or not (links := re.findall(r'"(/snapshots/\d+/(?:re|de)[^"]+)"', page)):
            self.take(f"/servers/{server}/snapshots/new/", twice=twice)
        else:
            self.confirm(self.chance.choice(links), twice=twice)

    def name_(self) -> str:
        return f"copy-{self.chance.getrandbits(32):08x}"

    def take(self, path: str, *, twice: bool) -> None:
        page = self.browser.read(path)
        if form := form_of(page, path):
            form |= {"name": self.name_(), "note": "By a campaign"}
            if 'name="stop_first"' in page and self.chance.random() < 0.25:
                form["stop_first"] = "on"
            self.browser.send("take", path, form, twice=twice)

    def confirm(self, path: str, *, twice: bool) -> Click | None:
        """Restore or delete, by typing what the page asks for."""
        page = self.browser.read(path)
        if form := form_of(page, path):
            form["typed"] = typed(page)
            what = path.split("/")[3]
            if what == "restore" and self.chance.random() < 0.2:
                form["safety_snapshot"] = "on"
            elif what == "restore":
                form["why_without"] = "It is a campaign"
            return self.browser.send(what, path, form, twice=twice)
        return None

    def take_several(self) -> None:
        path = "/servers/snapshots/new/"
        chosen = self.chance.sample(self.servers, 3)
        page = self.browser.read(path + "?" + "&".join(f"server={one}" for one in chosen))
        if form := form_of(page, path):
            form["name_pattern"] = f"{self.name_()}-{{server}}"
            self.browser.send("take several", path, form)

    def delete_several(self, snapshots: list[str]) -> None:
        path = "/snapshots/delete/"
        query = "&".join(f"snapshot={one}" for one in dict.fromkeys(snapshots[:3]))
        page = self.browser.read(f"{path}?{query}")
        if form := form_of(page, path):
            self.browser.send("delete several", path, form | {"typed": typed(page)})

    def cancel(self, operation: str) -> None:
        page, path = self.browser.read(operation), f"{operation}cancel/"
        if form := form_of(page, path):
            self.browser.send("cancel", path, form)

    def think_over(self, what: str, operations: list[str]) -> None:
        """Hold what can be held, or let what is held go on."""
        for operation in dict.fromkeys(operations):
            page, path = self.browser.read(operation), f"{operation}{what}/"
            if f'formaction="{path}"' in page:
                form = form_of(page, f"{operation}cancel/") or {}
                self.browser.send(what, path, form)

    def decide(self, operations: list[str]) -> None:
        """Approve what others asked for, or say no."""
        what = self.chance.choice(["approve", "approve", "approve", "reject"])
        for operation in dict.fromkeys(operations):
            page, path = self.browser.read(operation), f"{operation}{what}/"
            if form := form_of(page, path):
                form |= {"typed": typed(page)} if what == "approve" else {"words": "Not now"}
                self.browser.send(what, path, form, twice=self.chance.random() < 0.2)

    def judge(self, operations: list[str]) -> None:
        """Say what happened. People may be wrong, so it does not matter what they say."""
        for operation in dict.fromkeys(operations):
            page, path = self.browser.read(operation), f"{operation}verdict/"
            if form := form_of(page, path):
                form |= {"words": "I looked", "happened": self.chance.choice(["yes", "no"])}
                self.browser.send("verdict", path, form)


class Owner(Person):
    """Puts in a new token where the provider refused the last one; at times breaks the glass."""

    def __init__(self, *args: Any, accounts: list[int], tokens: list[str]) -> None:
        super().__init__(*args)
        self.accounts, self.tokens = accounts, tokens

    def act(self) -> None:
        for account, token in zip(self.accounts, self.tokens, strict=True):
            if "Token refused" in self.browser.read(f"/accounts/{account}/"):
                self.replace(f"/accounts/{account}/token/", token)
        if self.chance.random() < 0.3 and not self.only_judge.is_set():
            self.break_glass(self.chance.choice(self.servers))

    def break_glass(self, server: int) -> None:
        """Ask for a restore, and do not wait for anybody where one would have to."""
        page = self.browser.read(f"/servers/{server}/")
        links = re.findall(r'"(/snapshots/\d+/restore/)"', page)
        asked = self.confirm(self.chance.choice(links), twice=False) if links else None
        if asked is None or not asked.accepted:
            return
        page, path = self.browser.read(asked.location), f"{asked.location}emergency/"
        if form := form_of(page, path):
            form |= {"typed": typed(page), "words": "It cannot wait"}
            self.browser.send("emergency", path, form)

    def replace(self, path: str, token: str) -> None:
        if form := form_of(self.browser.read(path), path):
            found = self.browser.ask("POST", path, form | {"token": token})
            shown = form_of(found.text, path) if found is not None else None
            if shown is not None:
                saved = shown | {"save": "1"}
                answer = self.browser.ask("POST", path, saved)
                if answer is not None and answer.status_code == 401:
                    self.browser.ask("POST", path, self.browser.proven(saved))

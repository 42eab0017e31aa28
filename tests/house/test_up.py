"""`manage.py up` as a person meets it: the whole product, in a directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from snapshots.provider.simulator import DEMO_TOKEN, Simulator
from tests.house.processes import Seen, child, command, descendants, environment, kill_all, until
from tests.services import free_port

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = {
    "valkey": "valkey-server",
    "simulator": "snapshots.provider.simulator",
    "worker": " worker",
    "beat": " beat",
    "web": "gunicorn",
}


@dataclass
class House:
    """A started `manage.py up`."""

    home: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    family: set[Seen] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        mine = {"DATA_DIR": str(self.home), "PORT": str(self.port), **self.settings}
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **mine}

    def start(self) -> str:
        """Start it and return what it printed until it was ready."""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        assert self.process.stdout
        for line in self.process.stdout:
            said += line
            if "Ctrl-C stops everything" in line:
                self.family |= descendants(self.process.pid)
                return said
        raise AssertionError(f"it did not start:\n{said}")

    def attempt(self) -> tuple[int, str]:
        """Start it expecting a refusal: the exit code and what it said."""
        result = subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return result.returncode, result.stderr

    def manage(self, *words: str, check: bool = True) -> str:
        """Another command of manage.py, run on this house from outside."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        ).stdout

    def ask(self, question: str) -> str:
        return self.manage("shell", "--no-imports", "-c", question).strip()

    def end(self, number: int) -> int:
        assert self.process
        self.family |= descendants(self.process.pid)
        self.process.send_signal(number)
        return self.process.wait(60)

    def is_gone(self) -> bool:
        return not any(each.is_alive for each in self.family)

    def program(self, name: str) -> int:
        assert self.process
        return child(self.process.pid, PROGRAMS[name])

    def is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False


def clean_up(house: House) -> None:
    if house.process:
        kill_all(house.family | descendants(house.process.pid))
        house.process.kill()
        house.process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("demo") / "data", free_port())
    house.first_words = house.start()  # type: ignore[attr-defined]
    yield house
    clean_up(house)


def test_it_says_where_it_is_and_how_to_sign_in(demo: House) -> None:
    said = demo.first_words  # type: ignore[attr-defined]
    assert demo.url in said
    assert "alice@example.com" in said
    assert "holdfast-demo" in said


def test_what_it_says_opens_the_door(demo: House) -> None:
    browser = requests.Session()
    page = browser.get(f"{demo.url}/", timeout=10)
    assert "/login" in page.url
    token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {
        "csrfmiddlewaretoken": token,
        "login": "alice@example.com",
        "password": "holdfast-demo",
    }
    answer = browser.post(page.url, data=form, headers={"Referer": page.url}, timeout=10)
    assert answer.status_code == 200
    assert "web-server-02" in browser.get(f"{demo.url}/servers/", timeout=10).text


def test_nobody_else_may_read_what_it_keeps(demo: House) -> None:
    for name in ("house.env", "running.env"):
        assert (demo.home / name).stat().st_mode & 0o077 == 0
    assert demo.home.stat().st_mode & 0o077 == 0


ASK_FOR_A_SNAPSHOT = """
import uuid
from snapshots import operations
from snapshots.models import Server, User
alice = User.objects.get(email="alice@example.com")
server = Server.objects.get(name="cache-01", account__team__name="Northwind")
key = uuid.uuid4()
print(operations.request_create(server, actor=alice, name="first-one", request_key=key).pk)
"""
STATE = "from snapshots.models import Operation; print(Operation.objects.get(pk={}).state)"


def test_commands_from_outside_know_what_it_runs_with(demo: House) -> None:
    # Probes have little patience, and this machine may be busy.
    until(lambda: "All is well." in demo.manage("doctor", check=False), seconds=60)


def test_a_snapshot_is_taken_within_a_minute(demo: House) -> None:
    begin = time.monotonic()
    number = demo.ask(ASK_FOR_A_SNAPSHOT)
    until(lambda: demo.ask(STATE.format(number)) == "succeeded", 60)
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_program_comes_back(demo: House, name: str) -> None:
    before = demo.program(name)
    assert before
    os.kill(before, signal.SIGKILL)
    until(lambda: demo.program(name) not in {0, before}, 20)
    back_at = time.time()
    until(lambda: (demo.home / "heartbeat").stat().st_mtime > back_at, 45, "a heartbeat")
    until(demo.is_healthy, 20)


def test_a_second_one_in_the_same_directory_is_refused(demo: House) -> None:
    code, said = House(demo.home, free_port()).attempt()
    assert code == 1
    assert said.startswith(f"Holdfast cannot start: it is running already, at {demo.url}")
    assert said.count("\n") == 1


def test_a_taken_port_is_told_in_one_sentence(demo: House, tmp_path: Path) -> None:
    code, said = House(tmp_path / "data", demo.port).attempt()
    assert code == 1
    assert f"cannot listen on 127.0.0.1 port {demo.port}: address already in use" in said
    assert said.count("\n") == 1


def test_an_own_account_does_not_move_into_the_demo(demo: House) -> None:
    settings = {"VPS_API_TOKEN": "vps_mine"}
    code, said = House(demo.home, free_port(), settings).attempt()
    assert (code, said.count("\n")) == (1, 1)
    assert "whose passwords everybody knows" in said


def test_kill_9_leaves_nobody_behind_and_the_next_start_keeps_all(demo: House) -> None:
    demo.family |= descendants(demo.process.pid)  # type: ignore[union-attr]
    for each in demo.family:  # frozen, they cannot end by themselves
        if each.is_alive and "celery" in command(each.pid):
            os.kill(each.pid, signal.SIGSTOP)
    demo.end(signal.SIGKILL)
    until(demo.is_gone, 5)

    keys = (demo.home / "house.env").read_bytes()
    demo.start()
    assert (demo.home / "house.env").read_bytes() == keys
    assert "first-one" in demo.ask(
        "from snapshots.models import Snapshot;"
        " print(list(Snapshot.objects.values_list('name', flat=True)))"
    )
    assert demo.ask("from snapshots.models import User; print(User.objects.count())") == "5"


def test_ctrl_c_stops_everything(demo: House) -> None:
    assert demo.end(signal.SIGINT) == 0
    assert demo.is_gone()


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    with Simulator("demo", frozen=False, pace=1000) as simulator:
        yield simulator


@pytest.fixture
def own(tmp_path: Path, vendor: Simulator) -> Iterator[House]:
    settings = {
        "VPS_API_TOKEN": DEMO_TOKEN,
        "VPS_API_URL": vendor.url,
        "OWNER_EMAIL": "ada@example.com",
    }
    house = House(tmp_path / "data", free_port(), settings)
    yield house
    clean_up(house)


def test_an_account_of_ones_own(own: House, vendor: Simulator) -> None:
    said = own.start()
    assert "ada@example.com" in said
    password = said.split("Password    ")[1].split()[0]
    assert (
        own.ask(
            "from snapshots.models import User;"
            f" print(User.objects.get(email='ada@example.com').check_password({password!r}))"
        )
        == "True"
    )
    assert own.program("simulator") == 0
    assert not any(DEMO_TOKEN in environment(each.pid) for each in own.family)
    assert password not in "".join(
        file.read_text(errors="replace") for file in (own.home / "log").iterdir()
    )
    kept = b"".join(file.read_bytes() for file in own.home.rglob("*") if file.is_file())
    assert DEMO_TOKEN.encode() not in kept

    assert own.end(signal.SIGTERM) == 0
    assert own.is_gone()
    vendor.stop()
    own.settings["OWNER_EMAIL"] = "somebody@example.com"
    said = own.start()  # with the provider away, and the owner as before
    assert "Password" not in said
    assert own.ask("from snapshots.models import User; print(User.objects.count())") == "1"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "http"}, "PORT: 'http' is not a port number."),
        ({"VPS_API_TOKEN": "vps_mine", "HOST": "0.0.0.0"}, "HOST: with an account of your own"),
        ({"PROVIDER_PACE": "fast"}, "PROVIDER_PACE: 'fast' is not a number"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: 'LOUD' is none of"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(
    settings: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    house = House(tmp_path / "data", free_port(), settings)
    code, said = house.attempt()
    assert code == 1
    assert said.startswith(f"Holdfast cannot start: {sentence}")
    assert said.count("\n") == 1


def test_it_stops_with_the_process_that_started_it(tmp_path: Path) -> None:
    house = House(tmp_path / "data", free_port())
    up = [sys.executable, "manage.py", "up", "--stop-with-parent"]
    starter = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, *up],
        cwd=ROOT,
        env=house.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(house.family) > 3 or house.family.update(descendants(parent.pid)), 30)
        parent.kill()
        until(house.is_gone, 40)
    finally:
        kill_all(house.family)
        parent.wait()


def test_an_empty_house_says_where_its_first_owner_is_made(tmp_path: Path) -> None:
    house = House(tmp_path / "data", free_port(), {"DEMO": "0"})
    try:
        said = house.start()
        first = said.split("first owner at ")[1].split()[0]
        assert first.startswith(f"{house.url}/first/")
        newer = house.manage("first_run").split("first owner at ")[1].split()[0]
        assert requests.get(first, timeout=10).status_code == 404
        browser = requests.Session()
        page = browser.get(newer, timeout=10)
        form = {
            "csrfmiddlewaretoken": page.text.split('name="csrfmiddlewaretoken" value="')[1][:64],
            **{"email": "ada@example.com", "name": "Ada", "team": "Larkfield"},
            "password": "a long enough one",
        }
        answer = browser.post(page.url, data=form, headers={"Referer": page.url}, timeout=10)
        assert answer.url == f"{house.url}/setup/"
        assert "Larkfield" in answer.text
        assert "There is somebody already" in house.manage("first_run")
    finally:
        clean_up(house)

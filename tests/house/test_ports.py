"""Ports for programs that start later."""

import socket
import subprocess
import sys

from dashboard import machine
from tests import services

CHOOSE = "import random; random.seed(7); from tests import services; print(services.free_port())"


def test_a_port_that_was_chosen_is_not_chosen_again():
    command, waiting = ([sys.executable, "-c", CHOOSE + rest] for rest in ("", "; input()"))
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        theirs = int(other.stdout.readline())
        ours = int(subprocess.run(command, capture_output=True, check=True).stdout)
        other.communicate(b"\n")
    again = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert theirs != ours
    assert theirs == again, "it was kept by the other one, and only while that lived"


def test_whoever_was_given_the_port_listens_there():
    port = services.free_port()
    assert not machine.answers(port)
    with socket.create_server(("127.0.0.1", port)):
        assert machine.answers(port)
    with socket.create_server(("127.0.0.1", port)):
        assert machine.answers(port), "and again"

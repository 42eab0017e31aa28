"""The fence: a process frozen past its claim dies before its next instruction."""

import os
import signal
import subprocess
import sys
from pathlib import Path

FROZEN = """
import os, signal, sys, django
django.setup()
from snapshots.operations.fence import fence
with fence({seconds}):
    os.kill(os.getpid(), signal.SIGSTOP)
    open(sys.argv[1], "w").close()  # what a worker would do next: send
"""


def run_frozen(seconds, sent: Path) -> int:
    """Start a process that stops itself inside the fence; wake it after its claim has ended."""
    process = subprocess.Popen([sys.executable, "-c", FROZEN.format(seconds=seconds), sent])
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    signal.sigtimedwait([], 0.3)  # the fence's time, which passes for the stopped process too
    process.send_signal(signal.SIGCONT)
    return process.wait(10)


def test_a_frozen_worker_dies_when_it_thaws_and_sends_nothing(tmp_path):
    assert run_frozen(0.1, tmp_path / "sent") == -signal.SIGALRM
    assert not (tmp_path / "sent").exists()


def test_without_the_fence_it_would_have_sent(tmp_path):
    assert run_frozen(None, tmp_path / "sent") == 0
    assert (tmp_path / "sent").exists()


def test_after_the_call_the_fence_is_gone():
    code = (
        "import django, signal\n"
        "django.setup()\n"
        "from snapshots.operations.fence import fence\n"
        "with fence(0.1): pass\n"
        "assert signal.sigtimedwait([signal.SIGALRM], 0.3) is None\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

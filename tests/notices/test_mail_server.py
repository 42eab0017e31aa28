"""A real conversation with a mail server, over a socket."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.utils import timezone

from snapshots import events
from snapshots.events import Verb
from snapshots.models import Delivery, User
from tests.conftest import take
from tests.notices.conftest import a_tick

FROM = "Holdfast <holdfast@example.com>"


class Conversation(socketserver.StreamRequestHandler):
    """SMTP as far as it takes to be handed a message."""

    server: MailServer

    def handle(self) -> None:
        self.say(self.server.greeting)
        while line := self.rfile.readline().strip():
            verb = line.split(b" ")[0].upper().decode()
            if verb == "DATA":
                self.say(b"354 go on")
                self.server.taken.append(self.until_the_dot())
            elif verb == "RCPT":
                self.server.recipients.append(line.decode())
            self.say(self.server.answers.get(verb, b"250 fine"))
            if verb == "QUIT":
                return

    def until_the_dot(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        message = email.message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def say(self, words: bytes) -> None:
        self.wfile.write(words + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.greeting = b"220 here"
        self.answers: dict[str, bytes] = {"QUIT": b"221 bye"}
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []


@pytest.fixture
def server_of_mail(settings: Any, mailing: None) -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.DEFAULT_FROM_EMAIL = FROM
        yield server
        server.shutdown()


@pytest.fixture
def told(server: Any, oscar: User) -> None:
    """A failure that Oscar is told of; Alice is not, for she left."""
    operation = take(server, oscar)
    type(oscar).objects.exclude(pk=oscar.pk).update(is_active=False)
    events.record(
        Verb.CREATE_FAILED, team=operation.team, server=server, operation=operation, why="“é”"
    )


def only() -> Delivery:
    return Delivery.objects.get()


def test_the_server_is_handed_the_message(server_of_mail, told, oscar):
    a_tick()
    [message] = server_of_mail.taken
    assert server_of_mail.recipients == ["rcpt TO:<oscar@example.com>"]
    assert message["From"] == FROM
    assert message["To"] == "oscar@example.com"
    assert message["Subject"].endswith("the snapshot before-update of web-1: “é”")
    assert message["Message-ID"] == f"<{only().message_id}@snapshots.example.com>"
    assert message.get_content_type() == "text/plain"
    assert "“é”" in message.get_content()
    assert only().state == "sent"


def test_what_it_refuses_for_good_is_not_tried_again(server_of_mail, told):
    server_of_mail.answers["RCPT"] = b"550 nobody here of that name: canary"
    a_tick()
    row = only()
    assert (row.state, row.trouble, row.status) == ("failed", "mail_refused", 550)
    assert server_of_mail.taken == []


def test_what_it_does_not_take_now_is_sent_later_with_the_same_id(stage, server_of_mail, told):
    server_of_mail.answers["RCPT"] = b"451 not now"
    a_tick()
    assert (only().state, only().status) == ("waiting", 451)
    assert only().due_at > timezone.now()
    del server_of_mail.answers["RCPT"]
    stage.later(seconds=5)
    a_tick()
    [message] = server_of_mail.taken
    assert message["Message-ID"] == f"<{only().message_id}@snapshots.example.com>"
    assert (only().state, only().attempts) == ("sent", 2)


def test_a_server_that_is_not_there_is_tried_again(settings, server_of_mail, told):
    settings.EMAIL_PORT = 1
    a_tick()
    assert (only().state, only().trouble) == ("waiting", "mail")


def test_a_server_that_turns_us_away_is_tried_again(server_of_mail, told):
    server_of_mail.greeting = b"554 no service: canary"
    a_tick()
    assert (only().state, only().trouble, only().status) == ("waiting", "mail_refused", 554)

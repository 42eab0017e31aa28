from typing import Any

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        from allauth.account.signals import authentication_step_completed, password_reset
        from django.contrib.auth.signals import user_logged_in

        from dashboard import devices, factors, sessions, sign_on, signins

        user_logged_in.connect(devices.remember)
        user_logged_in.connect(sessions.begin)
        password_reset.connect(devices.remember)
        password_reset.connect(sign_on.prove_address)
        authentication_step_completed.connect(_step, dispatch_uid="proof")
        signins.listen()
        factors.listen()


def _step(request: Any, user: Any, method: str, **more: Any) -> None:
    from dashboard import proof

    proof.note_step(request, user, method, **more)

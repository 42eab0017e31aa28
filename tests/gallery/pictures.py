"""A server with the scene behind it, a browser in front of it, and the pictures it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client, override_settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer

from dashboard.settings import BASE_DIR
from snapshots.models import User
from tests.conftest import prove
from tests.gallery.pages import GALLERY, Shot, pages
from tests.gallery.scene import Scene, build
from tests.services import chromium

HERE = BASE_DIR / "docs" / "screenshots"
MODES = {
    "wide-light": ("light", 1280, "en"),
    "wide-dark": ("dark", 1280, "en"),
    "narrow-light": ("light", 360, "en"),
    "wide-arabic": ("light", 1280, "ar"),
    "narrow-arabic": ("dark", 360, "ar"),
}


def take(everything: Path | None, only: list[str], modes: list[str]) -> None:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with _stage() as (scene, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        camera = Camera(browser, url, scene)
        if everything is None:
            for name, page, theme, width, height, language in GALLERY:
                camera.take(
                    pages(scene)[page], HERE / f"{name}.png", theme, width, language, height
                )
        else:
            every = pages(scene).items()
            for mode, (name, shot) in product(modes or MODES, every):
                if not only or any(word in name for word in only):
                    camera.take(shot, everything / mode / f"{name}.png", *MODES[mode])
        browser.close()


@contextmanager
def _stage() -> Iterator[tuple[Scene, str]]:
    setup_test_environment(debug=False)
    kept = setup_databases(verbosity=0, interactive=False)
    server = None
    try:
        with override_settings(ROOT_URLCONF="tests.gallery.urls", ALLOWED_HOSTS=["localhost"]):
            scene = build()
            server = LiveServer("localhost")
            yield scene, server.url
    finally:
        if server:
            server.stop()
        teardown_databases(kept, verbosity=0)


class Camera:
    def __init__(self, browser: Browser, url: str, scene: Scene) -> None:
        self.browser, self.url, self.scene = browser, url, scene
        self.contexts: dict[tuple[Any, ...], Any] = {}

    def take(
        self, shot: Shot, to: Path, theme: str, width: int, language: str, height: int = 0
    ) -> None:
        User.objects.update(language=language)
        context = self._context(shot.who, theme, width, language)
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height or 800})
        page.goto(shot.path)
        try:
            if shot.first:
                shot.first(page)
            page.wait_for_timeout(60)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0:
                print(f"{to.parent.name}/{to.stem}: {over} px too wide")
        except Exception as error:
            print(f"{to.parent.name}/{to.stem}: {str(error).splitlines()[0]}")
        to.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=to, full_page=not height)
        page.close()

    def _context(self, who: str, theme: str, width: int, language: str) -> Any:
        key = who, theme, width, language
        if key not in self.contexts:
            context = self.browser.new_context(
                base_url=self.url,
                color_scheme=theme,
                locale=language,
                reduced_motion="reduce",
                timezone_id="Europe/Berlin",
            )
            cookies = {"language": language}
            if who:
                client = Client()
                client.force_login(self.scene.people[who])
                prove(client)
                cookies[settings.SESSION_COOKIE_NAME] = client.cookies[
                    settings.SESSION_COOKIE_NAME
                ].value
            context.add_cookies(
                [{"name": n, "value": v, "url": self.url} for n, v in cookies.items()]
            )
            self.contexts[key] = context
        return self.contexts[key]

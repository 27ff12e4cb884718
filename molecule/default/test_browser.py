# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A person with a real browser: sent to the login, has to choose a password, lands on the page first asked for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import containers_run, environment

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOST = "hello.gatehouse.localhost"
CHROMIUM = shutil.which("chromium")
PICTURES = Path(os.environ["LOCAL_AWS_STATE"]).parent / "pictures"

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--host-resolver-rules=MAP *.localhost 127.0.0.1"]
        )
        # The local AWS signs with an authority of its own, which test_default.py verifies.
        yield browser.new_context(ignore_https_errors=True, viewport={"width": 900, "height": 600}).new_page()
        browser.close()


def address(path: str) -> str:
    port = environment()["LOCAL_AWS_HTTPS_PORT"]
    return f"https://{HOST}{'' if port == '443' else f':{port}'}{path}"


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def sign_in(page: Page, password: str) -> None:
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def test_the_first_login_of_a_declared_user(page: Page) -> None:
    page.goto(address("/?from=browser"))
    assert page.url.startswith(f"https://auth.{HOST}")
    picture(page, "1-login")
    sign_in(page, "Welcome-to-Gatehouse-1")
    picture(page, "2-choose-password")
    page.fill("input[name=new_password]", "Chosen-at-first-login-1")
    page.fill("input[name=confirm_password]", "Chosen-at-first-login-1")
    page.click("button[type=submit]")
    page.wait_for_url(address("/?from=browser"))
    picture(page, "3-app")
    assert "Hello World from Rust app" in page.inner_text("body")
    assert "alice" in page.inner_text("body")

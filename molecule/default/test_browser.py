# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""People with a real browser: the way in, the way out, and every door that must stay shut."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from stack import client, containers_run, environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = "hello-test"
HOST = "hello.gatehouse.localhost"
COOKIE = "AWSELBAuthSessionCookie"
PASSWORD = "Chosen-at-first-login-1"
CHROMIUM = shutil.which("chromium")
# Molecule removes its own folders at the end, and these are for people to look at.
PICTURES = Path(os.environ.get("MOLECULE_PROJECT_DIRECTORY", ".")) / ".cache" / "pictures"

pytestmark = [
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="Chromium is not installed"),
    pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP *.localhost 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser that has never been here."""
    # The local AWS signs with an authority of its own, which the smoke test verifies.
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 900, "height": 600})
    yield context.new_page()
    context.close()


def pool_id() -> str:
    pools = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    return next(str(pool["Id"]) for pool in pools if pool["Name"] == NAME)


@pytest.fixture
def member() -> Iterator[Callable[[str], str]]:
    """Makes a user who has a password of their own already, and goes with the test."""
    cognito, pool = client("cognito-idp"), pool_id()
    made: list[str] = []

    def make(name: str) -> str:
        cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
        made.append(name)
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
        return name

    yield make
    for name in made:
        cognito.admin_delete_user(UserPoolId=pool, Username=name)


def app_rule() -> dict[str, Any]:
    elb = client("elbv2")
    balancer = elb.describe_load_balancers(Names=[NAME])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    (listener,) = [one["ListenerArn"] for one in listeners if one["Port"] == 443]
    (rule,) = [one for one in elb.describe_rules(ListenerArn=listener)["Rules"] if one["Priority"] == "100"]
    return dict(rule)


@pytest.fixture
def short_session() -> Iterator[int]:
    """Lets sessions end after some seconds, as long as one test takes."""
    elb, rule, seconds = client("elbv2"), app_rule(), 4
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=with_timeout(rule["Actions"], seconds))
    yield seconds
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=rule["Actions"])


def with_timeout(actions: list[dict[str, Any]], seconds: int) -> list[dict[str, Any]]:
    login, forward = actions
    config = {**login["AuthenticateCognitoConfig"], "SessionTimeout": seconds}
    return [{**login, "AuthenticateCognitoConfig": config}, forward]


def address(path: str, host: str = HOST) -> str:
    port = environment()["LOCAL_AWS_HTTPS_PORT"]
    return f"https://{host}{'' if port == '443' else f':{port}'}{path}"


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def sign_in(page: Page, name: str, password: str) -> None:
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    click(page, "button[type=submit]")


def click(page: Page, what: str) -> None:
    """Comes back with the next page, of which a picture can be taken."""
    with page.expect_navigation():
        page.click(what)


def is_asked_to_log_in(page: Page) -> bool:
    return urlsplit(page.url).hostname == f"auth.{HOST}" and page.locator("input[name=password]").is_visible()


def cookies(page: Page) -> dict[str, str]:
    return {one["name"]: one["value"] for one in page.context.cookies(address("/")) if one["name"].startswith(COOKIE)}


def test_the_whole_visit_of_an_invited_user(page: Page) -> None:
    page.goto(address("/?from=browser"))
    assert is_asked_to_log_in(page)
    picture(page, "1-login")
    sign_in(page, "alice", "Welcome-to-Gatehouse-1")
    picture(page, "2-choose-password")
    page.fill("input[name=new_password]", PASSWORD)
    page.fill("input[name=confirm_password]", PASSWORD)
    click(page, "button[type=submit]")

    page.wait_for_url(address("/?from=browser"))
    picture(page, "3-app")
    assert "Hello World from Rust app" in page.inner_text("body")
    assert "Logged in as alice" in page.inner_text("body")
    assert cookies(page)

    click(page, "text=Log out")
    picture(page, "4-logged-out")
    assert page.url == address("/logged-out")
    assert "You are logged out." in page.inner_text("body")
    assert cookies(page) == {}
    page.goto(address("/?again"))
    assert is_asked_to_log_in(page)


def test_a_chosen_password_lets_in_at_once(page: Page, member: Callable[[str], str]) -> None:
    page.goto(address("/"))
    sign_in(page, member("carol"), PASSWORD)
    page.wait_for_url(address("/"))
    assert "Logged in as carol" in page.inner_text("body")


def test_a_wrong_password_is_refused(page: Page, member: Callable[[str], str]) -> None:
    page.goto(address("/"))
    sign_in(page, member("carol"), "Not-the-password-1")
    picture(page, "5-wrong-password")
    assert is_asked_to_log_in(page)
    assert cookies(page) == {}
    page.goto(address("/"))
    assert is_asked_to_log_in(page)


def test_a_disabled_user_is_refused(page: Page, member: Callable[[str], str]) -> None:
    client("cognito-idp").admin_disable_user(UserPoolId=pool_id(), Username=member("dave"))
    page.goto(address("/"))
    sign_in(page, "dave", PASSWORD)
    picture(page, "6-disabled-user")
    assert urlsplit(page.url).hostname == f"auth.{HOST}"
    assert cookies(page) == {}
    page.goto(address("/"))
    assert is_asked_to_log_in(page)


def test_a_session_ends_in_time(page: Page, member: Callable[[str], str], short_session: int) -> None:
    page.goto(address("/"))
    sign_in(page, member("erin"), PASSWORD)
    page.wait_for_url(address("/"))
    held = cookies(page)
    assert held
    time.sleep(short_session + 1)
    page.goto(address("/"))
    assert is_asked_to_log_in(page)

    # A browser could keep a cookie for longer than it was told to.
    page.context.add_cookies([{"name": name, "value": value, "url": address("/")} for name, value in held.items()])
    page.goto(address("/"))
    picture(page, "7-expired-session")
    assert is_asked_to_log_in(page)


def forged_session() -> str:
    session = {"claims": {"sub": "0", "username": "mallory"}, "access_token": "a.b.c", "exp": int(time.time()) + 3600}
    return base64.urlsafe_b64encode(json.dumps(session).encode()).decode().rstrip("=")


def test_a_forged_cookie_opens_nothing(page: Page, member: Callable[[str], str]) -> None:
    page.goto(address("/"))
    sign_in(page, member("frank"), PASSWORD)
    page.wait_for_url(address("/"))
    real = cookies(page)[f"{COOKIE}-0"]
    middle = len(real) // 2
    changed = real[:middle] + ("A" if real[middle] != "A" else "B") + real[middle + 1 :]
    for forged in (forged_session(), changed, "nonsense"):
        page.context.clear_cookies()
        page.context.add_cookies([{"name": f"{COOKIE}-0", "value": forged, "url": address("/")}])
        page.goto(address("/"))
        assert is_asked_to_log_in(page)
    picture(page, "8-forged-cookie")


def callback(page: Page, action: Callable[[], None]) -> tuple[str, int]:
    """Returns the address with which the login came back, and what the load balancer said to it."""
    with page.expect_response(lambda answer: "/oauth2/idpresponse" in answer.url) as came:
        action()
    page.wait_for_load_state()
    return came.value.url, came.value.status


@pytest.mark.parametrize("state", ["0f0e0d0c-0000-4000-8000-000000000000", ""])
def test_a_callback_with_another_state_is_refused(page: Page, member: Callable[[str], str], state: str) -> None:
    page.goto(address("/"))
    page.eval_on_selector("input[name=state]", "(field, state) => { field.value = state }", state)
    _url, status = callback(page, lambda: sign_in(page, member("grace"), PASSWORD))
    picture(page, "9-tampered-callback")
    assert status == 401
    assert cookies(page) == {}
    page.goto(address("/"))
    assert is_asked_to_log_in(page)


def test_a_callback_works_once(page: Page, member: Callable[[str], str]) -> None:
    page.goto(address("/"))
    url, status = callback(page, lambda: sign_in(page, member("heidi"), PASSWORD))
    assert status == 302
    page.context.clear_cookies()
    again = page.goto(url)
    assert again
    assert again.status == 401
    assert cookies(page) == {}

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils import _smoke
from ansible_collections.gatehouse.fargate.plugins.module_utils._smoke import Answer, ConnectToError, Route, Visitor

HOST = "hello.example.com"
CALLBACK = f"https://{HOST}/oauth2/idpresponse"
LOGIN = {"domain": f"auth.{HOST}", "client_id": "7abc", "callback_url": CALLBACK}
TO_LOGIN = f"https://auth.{HOST}/oauth2/authorize?client_id=7abc&response_type=code&redirect_uri={CALLBACK}&state=x"
LOGIN_PAGE = f"https://auth.{HOST}/login?client_id=7abc&response_type=code&scope=openid&redirect_uri={CALLBACK}"
GOOD: dict[str, Answer] = {
    f"http://{HOST}/": Answer(301, f"https://{HOST}:443/"),
    f"https://{HOST}/": Answer(302, TO_LOGIN, (HOST,)),
    LOGIN_PAGE: Answer(200),
    f"https://auth.{HOST}/": Answer(404, "", (f"*.{HOST}",)),
    f"https://{HOST}/healthz": Answer(200),
    f"https://{HOST}/api/x": Answer(401),
}


def params(**more: Any) -> dict[str, Any]:
    given = {"domain": HOST, "login": LOGIN, "app": True, "public_paths": ["/healthz"], "refused_paths": ["/api/x"]}
    return {**given, **more}


def failures(answers: dict[str, Answer], **more: Any) -> list[str]:
    verdicts = _smoke.run(_smoke.checks(params(**more)), answers.__getitem__, timeout=0)
    return [verdict.name for verdict in verdicts if not verdict.passed]


def test_a_stack_as_declared_passes() -> None:
    assert failures(GOOD) == []


FRONT = "front page without a session"


@pytest.mark.parametrize(
    ("url", "answer", "failed"),
    [
        (f"http://{HOST}/", Answer(302, f"https://{HOST}/"), ["HTTP"]),
        (f"http://{HOST}/", Answer(301, "https://elsewhere.example.com/"), ["HTTP"]),
        (f"http://{HOST}/", Answer(301, f"http://{HOST}/"), ["HTTP"]),
        (f"https://{HOST}/", Answer(200, "", (HOST,)), [FRONT]),
        (f"https://{HOST}/", Answer(302, TO_LOGIN.replace("7abc", "other"), (HOST,)), [FRONT]),
        (f"https://{HOST}/", Answer(302, TO_LOGIN.replace("idpresponse", "other"), (HOST,)), [FRONT]),
        (f"https://{HOST}/", Answer(302, TO_LOGIN.replace("auth.", "login."), (HOST,)), [FRONT]),
        (f"https://{HOST}/", Answer(302, TO_LOGIN, ("other.example.com",)), ["certificate of the app"]),
        (f"https://auth.{HOST}/", Answer(200, "", (HOST,)), ["certificate of the login"]),
        (LOGIN_PAGE, Answer(403), ["login page"]),
        (LOGIN_PAGE, Answer(302, f"https://auth.{HOST}/error"), ["login page"]),
        (f"https://{HOST}/healthz", Answer(302, TO_LOGIN), ["public path /healthz"]),
        (f"https://{HOST}/healthz", Answer(401), ["public path /healthz"]),
        (f"https://{HOST}/healthz", Answer(503), ["public path /healthz"]),
        (f"https://{HOST}/api/x", Answer(302, TO_LOGIN), ["path /api/x without a session"]),
        (f"https://{HOST}/api/x", Answer(200), ["path /api/x without a session"]),
    ],
)
def test_what_is_not_as_declared_fails(url: str, answer: Answer, failed: list[str]) -> None:
    assert failures({**GOOD, url: answer}) == failed


def test_without_login_and_without_app() -> None:
    open_site = {**GOOD, f"https://{HOST}/": Answer(200, "", (HOST,))}
    assert failures(open_site, login=None, refused_paths=[]) == []
    down = {**open_site, f"https://{HOST}/": Answer(503, "", (HOST,)), f"https://{HOST}/healthz": Answer(503)}
    assert failures(down, login=None, refused_paths=[]) == ["front page", "public path /healthz"]
    assert failures(down, login=None, refused_paths=[], app=False) == []


def test_an_error_is_a_finding_and_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_smoke, "POLL_SECONDS", 0)
    answers: Iterator[Answer | OSError] = iter([OSError("no such name"), Answer(503), Answer(301, f"https://{HOST}/")])

    def fetch(_url: str) -> Answer:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    check = _smoke.http_check(HOST)
    assert str(_smoke.look(check, fetch)).endswith(f"found no such name at http://{HOST}/")
    assert [verdict.passed for verdict in _smoke.run([check], fetch, timeout=5)] == [True]


def test_the_report_says_what_is_wrong() -> None:
    answers = {**GOOD, f"https://{HOST}/healthz": Answer(503)}
    found = _smoke.summary(HOST, _smoke.run(_smoke.checks(params()), answers.__getitem__, timeout=0))
    assert found["passed"] is False
    assert found["report"][0] == f"{HOST}: 6 of 7 checks passed"
    assert found["report"][-2] == (
        f"FAILED: public path /healthz: expected an answer of the app, no login, found 503 at https://{HOST}/healthz"
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (f"{HOST}:80:127.0.0.1:8080", ("127.0.0.1", 8080)),
        (":80:127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("::other.example.com:", ("other.example.com", 80)),
        (f"{HOST}:::8080", (HOST, 8080)),
        (":80:[::1]:8080", ("::1", 8080)),
    ],
)
def test_where_to_connect(text: str, target: tuple[str, int]) -> None:
    route = Route.parse(text)
    assert route.fits(HOST, 80)
    assert route.target(HOST, 80) == target


def test_a_route_for_something_else_does_not_fit() -> None:
    assert not Route.parse("other.example.com:80:127.0.0.1:1").fits(HOST, 80)
    assert not Route.parse(f"{HOST}:443:127.0.0.1:1").fits(HOST, 80)
    with pytest.raises(ConnectToError, match="HOST1:PORT1:HOST2:PORT2"):
        Route.parse("127.0.0.1:8443")


class Redirect(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_request_keeps_its_name_wherever_it_goes(port: int) -> None:
    visitor = Visitor((Route.parse(f":80:127.0.0.1:{port}"),))
    assert visitor.get(f"http://{HOST}/a?b=c") == Answer(301, f"https://{HOST}/a?b=c")


def test_an_address_without_tls_is_a_finding(port: int) -> None:
    visitor = Visitor((Route.parse(f":443:127.0.0.1:{port}"),))
    check = _smoke.refused_check(f"https://{HOST}", "/")
    assert not _smoke.look(check, visitor.get).passed

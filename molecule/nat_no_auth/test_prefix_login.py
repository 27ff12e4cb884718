# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The stack gets a login after all, at a prefix domain; these tests come after those of the stack without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from converged import Converged, converge
from stack import client, containers_run, visitor

NAME = "open-test"
HOST = "open.gatehouse.localhost"
PREFIX = "gatehouse-open-test"
LOGIN_HOST = f"{PREFIX}.auth.ap-northeast-1.amazoncognito.com"
TEMPORARY, CHOSEN = "Welcome-to-Gatehouse-3", "Chosen-at-first-login-3"
VARIABLES = {
    "stack_login": True,
    "cognito_auth_domain_prefix": PREFIX,
    "stack_users": {"judy": {"email": "judy@example.com", "temporary_password": TEMPORARY}},
}
needs_containers = pytest.mark.skipif(not containers_run(), reason="no Docker engine runs here")


@pytest.fixture(scope="module", autouse=True)
def with_login() -> Converged:
    run = converge(NAME, "--extra-vars", json.dumps(VARIABLES))
    assert run.failure == ""
    assert run.status == 0
    return run


def test_a_prefix_needs_no_certificate() -> None:
    assert client("acm", "us-east-1").list_certificates()["CertificateSummaryList"] == []
    domain = client("cognito-idp").describe_user_pool_domain(Domain=PREFIX)["DomainDescription"]
    assert (domain["Status"], domain.get("CustomDomainConfig", {})) == ("ACTIVE", {})


def test_the_login_is_at_the_prefix() -> None:
    page = visitor().get(f"https://{HOST}/", follow=False)
    asked = urlsplit(page.location)
    assert (page.status, asked.hostname) == (302, LOGIN_HOST)
    assert parse_qs(asked.query)["redirect_uri"] == [f"https://{HOST}/oauth2/idpresponse"]


@needs_containers
def test_the_smoke_test_met_the_login_at_the_prefix(with_login: Converged) -> None:
    (report,) = [result["smoke_test"]["report"] for _name, result in with_login.tasks if "smoke_test" in result]
    assert LOGIN_HOST in str(report)


@needs_containers
def test_a_user_logs_in_and_out_and_is_asked_again() -> None:
    judy = visitor()
    page = judy.sign_in(f"https://{HOST}/", "judy", TEMPORARY, CHOSEN)
    assert "judy" in page.text
    out = judy.get(f"https://{HOST}/logout", follow=False)
    assert (out.status, urlsplit(out.location).hostname) == (302, LOGIN_HOST)
    done = judy.get(f"https://{HOST}/logout")
    assert (urlsplit(done.url).hostname, urlsplit(done.url).path) == (HOST, "/logged-out")
    assert "You are logged out." in done.text
    again = judy.get(f"https://{HOST}/", follow=False)
    assert (again.status, urlsplit(again.location).hostname) == (302, LOGIN_HOST)


def test_the_same_again_changes_nothing() -> None:
    assert converge(NAME, "--extra-vars", json.dumps(VARIABLES)).changed == []

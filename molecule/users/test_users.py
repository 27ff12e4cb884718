# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The list of users is edited again and again: each run makes exactly the calls that the edit asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "shared"), str(HERE.parents[1] / "tests")]
from local_aws.visitor import form_of
from stack import client, visitor

CALLS = f"{os.environ['AWS_ENDPOINT_URL']}/_local_aws/calls"
READING = ("Describe", "Get", "List")
PASSWORDS = ("Welcome-to-Gatehouse-2", "Chosen-by-bob-1", "Forgotten-in-the-vault-3")

Users = dict[str, dict[str, Any]]


def converge(users: Users, **inputs: Any) -> str:
    """Runs the play as a user does, with another list of users; returns all it printed."""
    command = [
        "ansible-playbook",
        str(HERE / "converge.yml"),
        "-i",
        os.environ["MOLECULE_INVENTORY_FILE"],
        "-v",
        "--diff",
    ]
    extra = json.dumps({**inputs, "stack_users": users})
    done = subprocess.run([*command, "-e", extra], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def forget_calls() -> None:
    urllib.request.urlopen(urllib.request.Request(CALLS, method="DELETE")).close()


def writes() -> list[str]:
    with urllib.request.urlopen(CALLS) as answer:
        actions = [call["action"].partition(":")[2] for call in json.load(answer)]
    return [action for action in actions if not action.startswith(READING)]


@cache
def pool_id() -> str:
    pools = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    return next(str(pool["Id"]) for pool in pools if pool["Name"] == "people")


def state() -> dict[str, Any]:
    cognito = client("cognito-idp")
    found = {}
    for user in cognito.list_users(UserPoolId=pool_id())["Users"]:
        groups = cognito.admin_list_groups_for_user(UserPoolId=pool_id(), Username=user["Username"])["Groups"]
        email = next(one["Value"] for one in user["Attributes"] if one["Name"] == "email")
        names = [group["GroupName"] for group in groups]
        found[user["Username"]] = (email, user["Enabled"], user["UserStatus"], names)
    return found


@pytest.fixture(scope="module")
def declared() -> Users:
    """The list as the scenario starts with it; bob has chosen a password since."""
    scenario = yaml.safe_load((HERE / "molecule.yml").read_text(encoding="utf-8"))
    users: Users = scenario["provisioner"]["inventory"]["host_vars"]["people"]["stack_users"]
    client("cognito-idp").admin_set_user_password(
        UserPoolId=pool_id(), Username="bob", Password=PASSWORDS[1], Permanent=True
    )
    return users


# What is edited (None takes a user off the list), the inputs beside it, the calls that follow, and the user as left.
STEPS: list[tuple[str, Users | dict[str, None], dict[str, Any], list[str], tuple[Any, ...] | None]] = [
    ("nothing", {}, {}, [], None),
    (
        "add",
        {"carol": {"email": "carol@example.com", "groups": ["editors"]}},
        {},
        ["CreateGroup", "AdminCreateUser", "AdminAddUserToGroup"],
        ("carol@example.com", True, "FORCE_CHANGE_PASSWORD", ["editors"]),
    ),
    (
        "change",
        {"alice": {"email": "alice@example.org"}},
        {},
        ["AdminUpdateUserAttributes"],
        ("alice@example.org", True, "FORCE_CHANGE_PASSWORD", []),
    ),
    (
        "disable",
        {"bob": {"email": "bob@example.com", "enabled": False}},
        {},
        ["AdminDisableUser"],
        ("bob@example.com", False, "CONFIRMED", []),
    ),
    (
        "enable, with a password that nobody needs any more",
        {"bob": {"email": "bob@example.com", "temporary_password": PASSWORDS[2]}},
        {},
        ["AdminEnableUser"],
        ("bob@example.com", True, "CONFIRMED", []),
    ),
    (
        "regroup",
        {"carol": {"email": "carol@example.com", "groups": ["readers"]}},
        {},
        ["CreateGroup", "AdminRemoveUserFromGroup", "AdminAddUserToGroup"],
        ("carol@example.com", True, "FORCE_CHANGE_PASSWORD", ["readers"]),
    ),
    (
        "take off the list without the switch",
        {"carol": None},
        {},
        [],
        ("carol@example.com", True, "FORCE_CHANGE_PASSWORD", ["readers"]),
    ),
    ("remove", {"carol": None}, {"cognito_auth_purge_users": True}, ["AdminDeleteUser"], None),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[0])
def test_a_run_changes_only_what_was_edited(declared: Users, step: tuple[Any, ...]) -> None:
    name, edits, inputs, expected, left = step
    before = state()
    declared.update(edits)
    forget_calls()
    shown = converge({user: fields for user, fields in declared.items() if fields}, **inputs)
    assert writes() == expected
    after = state()
    edited = set(edits)
    assert {user: found for user, found in after.items() if user not in edited} == {
        user: found for user, found in before.items() if user not in edited
    }
    assert [after.get(user) for user in edited] == [left] * len(edited), name
    assert [password for password in PASSWORDS if password in shown] == []


def test_a_second_factor_is_offered() -> None:
    found = client("cognito-idp").get_user_pool_mfa_config(UserPoolId=pool_id())
    assert (found["MfaConfiguration"], found["SoftwareTokenMfaConfiguration"]["Enabled"]) == ("OPTIONAL", True)


def test_the_prefix_domain_has_a_style_and_cost_no_certificate() -> None:
    cognito = client("cognito-idp")
    domain = cognito.describe_user_pool_domain(Domain="people-test")["DomainDescription"]
    assert (domain["UserPoolId"], domain["ManagedLoginVersion"]) == (pool_id(), 2)
    client_id = cognito.list_user_pool_clients(UserPoolId=pool_id())["UserPoolClients"][0]["ClientId"]
    assert cognito.describe_managed_login_branding_by_client(UserPoolId=pool_id(), ClientId=client_id)
    back = "https://people.gatehouse.localhost/oauth2/idpresponse"
    query = urlencode({"client_id": client_id, "response_type": "code", "scope": "openid", "redirect_uri": back})
    page = visitor().get(f"https://people-test.auth.ap-northeast-1.amazoncognito.com/oauth2/authorize?{query}")
    assert (page.status, bool(form_of(page))) == (200, True), page.text
    assert client("acm", "us-east-1").list_certificates()["CertificateSummaryList"] == []

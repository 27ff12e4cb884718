# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Inputs that cannot work are refused before anything is created, with a message that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from conftest import PARENT, ROOT, LocalAws, run_playbook

GOOD: dict[str, Any] = {
    "stack_name": "hello",
    "stack_region": "ap-northeast-1",
    "stack_parent_domain": PARENT,
    "stack_domain": f"hello.{PARENT}",
    "stack_app_path": str(ROOT / "app"),
    "stack_users": {"alice": {"email": "alice@example.com"}},
}
# All paths share one rule, as strategies that shift traffic need it.
ONE_RULE = {"stack_public_paths": [], "stack_logout_path": "", "stack_logged_out_path": ""}
SELF = {"container_name": "proxy", "condition": "START"}
# What is wrong -> the changed inputs (None removes one), and words that the refusal has to contain.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "domain-missing": ({"stack_domain": None}, ["stack_domain"]),
    "domain-malformed": ({"stack_domain": f"hel_lo..{PARENT}"}, ["stack_domain", "hel_lo.."]),
    "domain-elsewhere": ({"stack_domain": "hello.example.org"}, ["stack_domain", "hello.example.org", PARENT]),
    "cpu-memory-pair": ({"stack_cpu": 256, "stack_memory": 4096}, ["memory", "4096", "256", "2048"]),
    "cidr-malformed": ({"stack_vpc_cidr": "10.0.0.0/33"}, ["stack_vpc_cidr", "10.0.0.0/33"]),
    "cidr-too-small": ({"stack_vpc_cidr": "10.0.0.0/28"}, ["stack_vpc_cidr", "10.0.0.0/28"]),
    "subnets-overlap": (
        {
            "network_endpoints_public_cidrs": ["10.0.0.0/20", "10.0.8.0/21"],
            "network_endpoints_private_cidrs": ["10.0.32.0/20", "10.0.48.0/20"],
        },
        ["network_endpoints_public_cidrs", "10.0.8.0/21", "overlap"],
    ),
    "clients-malformed": ({"stack_https_cidrs": ["203.0.113.0/33"]}, ["stack_https_cidrs", "203.0.113.0/33"]),
    "region-unknown": ({"stack_region": "atlantis-1"}, ["stack_region", "atlantis-1"]),
    "zone-unknown": (
        {"stack_availability_zones": ["ap-northeast-1a", "ap-northeast-1z"]},
        ["stack_availability_zones", "ap-northeast-1z"],
    ),
    "name-too-long": ({"stack_name": "a" * 33}, ["stack_name", "a" * 33]),
    "name-malformed": ({"stack_name": "Hello_App"}, ["stack_name", "Hello_App"]),
    "login-domain-too-long": (
        {"stack_domain": f"{'a' * 45}.{PARENT}"},
        ["stack_domain", f"auth.{'a' * 45}.{PARENT}", "63"],
    ),
    "app-missing": ({"stack_app_path": "/nowhere/app"}, ["stack_app_path", "/nowhere/app"]),
    "user-without-email": ({"stack_users": {"carol": {"temporary_password": "x"}}}, ["stack_users", "carol", "email"]),
    "path-twice": ({"stack_api_paths": ["/healthz"]}, ["stack_api_paths", "twice"]),
    "api-path-malformed": ({"stack_api_paths": ["api"]}, ["stack_api_paths", "api", "starts with /"]),
    "logout-path-malformed": ({"stack_logged_out_path": "/bye*"}, ["stack_logged_out_path", "/bye*", "wildcards"]),
    "cookie-name-malformed": ({"stack_session_cookie_name": "a;b"}, ["stack_session_cookie_name", "a;b"]),
    "session-too-long": ({"stack_session_timeout": 604801}, ["stack_session_timeout", "604801"]),
    "sidecar-unreachable": (
        {"stack_sidecars": [{"name": "proxy", "image": "nginx"}]},
        ["stack_sidecars", "nginx", "stack_nat"],
    ),
    "sidecar-circle": (
        {"stack_nat": "single", "stack_sidecars": [{"name": "proxy", "image": "nginx", "depends_on": [SELF]}]},
        ["stack_sidecars", "circle", "proxy"],
    ),
    "sidecar-greedy": (
        {"stack_nat": "single", "stack_sidecars": [{"name": "proxy", "image": "nginx", "cpu": 1024}]},
        ["stack_sidecars", "1024", "512"],
    ),
    "secret-unreadable": ({"stack_secrets": {"TOKEN": "hunter2"}}, ["stack_secrets", "TOKEN", "ARN"]),
    "stop-timeout-too-long": ({"ecs_service_stop_timeout": 121}, ["ecs_service_stop_timeout", "121", "120"]),
    "strategy-unknown": ({"stack_deployment": {"strategy": "GREEN"}}, ["stack_deployment", "GREEN", "LINEAR"]),
    "strategy-many-rules": (
        {"stack_deployment": {"strategy": "BLUE_GREEN"}},
        ["stack_deployment", "BLUE_GREEN", "/healthz, /logout, /logged-out", "stack_public_paths"],
    ),
    "strategy-bakes-long": (
        {"stack_deployment": {"strategy": "CANARY", "bake_time_in_minutes": 1441}, **ONE_RULE},
        ["stack_deployment", "bake_time_in_minutes", "1441", "1440"],
    ),
    "strategy-small-steps": (
        {"stack_deployment": {"strategy": "LINEAR", "linear_configuration": {"step_percent": 1.5}}, **ONE_RULE},
        ["stack_deployment", "linear_configuration.step_percent", "1.5", "3.0"],
    ),
    "strategy-counts-requests": (
        {
            "stack_deployment": {"strategy": "BLUE_GREEN"},
            "stack_autoscaling": {"min_capacity": 1, "max_capacity": 2, "requests_per_target": 9},
            **ONE_RULE,
        },
        ["stack_autoscaling", "requests_per_target", "BLUE_GREEN"],
    ),
    "strategy-nobody-waits": (
        {"stack_deployment": {"strategy": "BLUE_GREEN"}, "ecs_service_wait": False, **ONE_RULE},
        ["ecs_service_wait", "BLUE_GREEN"],
    ),
    "nat-unknown": ({"stack_nat": "double"}, ["stack_nat", "double"]),
    "tokens-without-issuer": (
        {"stack_login": False, "stack_machine_paths": ["/hooks"]},
        ["stack_machine_paths", "/hooks", "alb_https_jwt_issuer"],
    ),
    "login-without-pool": ({"cognito_auth_enabled": False}, ["stack_login", "alb_https_user_pool_arn"]),
    "type-wrong": ({"ecs_service_wait_timeout": "soon"}, ["ecs_service_wait_timeout", "soon"]),
}


def host(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not None}


@pytest.fixture(scope="module")
def refusals(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Any:
    inventory = tmp_path_factory.mktemp("bad") / "inventory.yml"
    hosts = {name: host(changes) for name, (changes, _words) in BAD.items()}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    local_aws.forget_calls()
    run = run_playbook(["gatehouse.fargate.site", "-i", str(inventory)], local_aws.environment)
    return run, local_aws.writes()


@pytest.mark.parametrize("name", BAD)
def test_the_refusal_names_the_variable_and_the_value(refusals: Any, name: str) -> None:
    run, _writes = refusals
    message = run.failure(name)
    assert [word for word in BAD[name][1] if word not in message] == [], message


def test_nothing_was_created(refusals: Any) -> None:
    run, writes = refusals
    assert run.status != 0
    assert writes == []


def test_missing_credentials_are_named(play: Any) -> None:
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    run = play("gatehouse.fargate.site", {"hello": host({})}, **without)
    assert run.status != 0
    assert "credentials" in run.failure("hello")


@pytest.mark.parametrize(
    ("environments", "words"),
    [
        ({"one": {}, "two": {}}, ["one", "two", "Nothing was touched"]),
        (
            {"one": {}, "two": {"stack_name": "Two", "stack_domain": f"two.{PARENT}"}},
            ["two: refused above", "--limit 'all:!two'"],
        ),
    ],
)
def test_nothing_is_touched_while_one_environment_stands_in_the_way(
    play: Any, local_aws: LocalAws, environments: dict[str, dict[str, Any]], words: list[str]
) -> None:
    local_aws.forget_calls()
    run = play("gatehouse.fargate.site", {name: host(changes) for name, changes in environments.items()})
    assert run.status != 0
    assert [word for word in words if word not in run.failure("one")] == [], run.failure("one")
    assert local_aws.writes() == []

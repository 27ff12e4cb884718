# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which environments of an inventory get in each other's way, and in which order the others are rolled out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.filter.environment_problems import environment_problems
from ansible_collections.gatehouse.fargate.plugins.filter.rollout_plan import rollout_plan

WAVES = ["dev", "staging", "production"]


def host(name: str, *groups: str, **variables: Any) -> dict[str, Any]:
    return {
        "group_names": list(groups),
        "stack_name": name,
        "stack_region": "eu-west-1",
        "stack_domain": f"{name}.example.com",
        "stack_app_path": "/app",
        **variables,
    }


def inventory(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    hosts = {"one": host("one", "dev"), "two": host("two", "staging"), "three": host("three", "production")}
    return {name: {**variables, **changes.get(name, {})} for name, variables in hosts.items()}


def test_three_environments_are_three_waves_and_one_build() -> None:
    hosts = inventory()
    plan = rollout_plan(hosts, hosts, WAVES)
    assert environment_problems(hosts, hosts) == plan["problems"] == []
    assert plan["sources"] == {"two": "one", "three": "one"}
    assert plan["batches"] == [
        {"wave": "dev", "hosts": ["one"], "first": True},
        {"wave": "staging", "hosts": ["two"], "first": True},
        {"wave": "production", "hosts": ["three"], "first": True},
    ]


def test_a_limit_leaves_the_place_of_the_build_where_it_was() -> None:
    hosts = inventory()
    plan = rollout_plan(hosts, hosts, WAVES, ["three"])
    assert plan["sources"]["three"] == "one"
    assert plan["batches"] == [{"wave": "production", "hosts": ["three"], "first": True}]


def test_who_copies_follows_who_builds_within_a_wave() -> None:
    hosts = {name: host(name, "dev") for name in ("a", "b", "c")}
    plan = rollout_plan(hosts, hosts, ["dev"])
    assert [(batch["hosts"], batch["first"]) for batch in plan["batches"]] == [(["a"], True), (["b", "c"], False)]


@pytest.mark.parametrize(
    ("changes", "sources"),
    [
        ({"stack_architecture": "arm64"}, {"two": "one"}),
        ({"stack_app_path": "/other"}, {"two": "one"}),
        ({"stack_image_digest": "sha256:0"}, {"two": "one"}),
        ({"stack_image_source": {"repository": "else"}}, {"two": "one"}),
        ({"stack_image_source": "two"}, {"two": "one"}),
    ],
)
def test_only_what_may_run_the_same_image_gets_it(changes: dict[str, Any], sources: dict[str, str]) -> None:
    hosts = inventory(three=changes)
    plan = rollout_plan(hosts, hosts, WAVES)
    assert (plan["sources"], plan["problems"]) == (sources, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stack_domain": "one.example.com"}, ["stack_domain", "one and of three", "one.example.com"]),
        ({"stack_name": "one"}, ["stack_name", "one and of three", "eu-west-1", "AWS CLI's"]),
        (
            {"stack_image_source": "one", "stack_architecture": "arm64"},
            ["stack_architecture of three is arm64", "one (stack_image_source)", "x86_64"],
        ),
    ],
)
def test_environments_in_each_others_way_are_named(changes: dict[str, Any], words: list[str]) -> None:
    hosts = inventory(three=changes)
    (problem,) = environment_problems(hosts, hosts)
    assert [word for word in words if word not in problem] == [], problem


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"stack_region": "us-east-1"},
        {"stack_profile": "other"},
        {"stack_role_arn": "arn:aws:iam::222233334444:role/gatehouse"},
    ],
)
def test_the_same_name_elsewhere_is_no_problem(elsewhere: dict[str, Any]) -> None:
    hosts = inventory(three={"stack_name": "one", **elsewhere})
    assert environment_problems(hosts, hosts) == []


def test_two_roles_of_one_account_are_one_account() -> None:
    arn = "arn:aws:iam::222233334444:role/"
    hosts = inventory(
        one={"stack_role_arn": f"{arn}a"}, three={"stack_name": "one", "stack_role_arn": f"{arn}b"}
    )  # fmt: skip
    (problem,) = environment_problems(hosts, hosts)
    assert "account 222233334444" in problem


def test_hosts_that_are_no_environments_are_left_alone() -> None:
    hosts = {"localhost": {"group_names": []}, "builder": {"stack_name": "", "stack_domain": ""}}
    assert environment_problems(hosts, hosts) == []


@pytest.mark.parametrize(
    ("waves", "changes", "words"),
    [
        ([], {}, ["rollout_waves is not set"]),
        (["dev", "staging"], {}, ["three is in none of the groups dev, staging"]),
        (WAVES, {"group_names": ["dev", "production"]}, ["three is in dev and in production"]),
    ],
)
def test_waves_that_cannot_be_are_refused(waves: list[str], changes: dict[str, Any], words: list[str]) -> None:
    hosts = inventory(three=changes)
    plan = rollout_plan(hosts, hosts, waves)
    assert [word for word in words if word not in " ".join(plan["problems"])] == []
    assert plan["batches"] == []


def test_an_image_from_a_later_wave_is_refused() -> None:
    hosts = inventory(one={"stack_image_source": "three"})
    (problem,) = rollout_plan(hosts, hosts, WAVES)["problems"]
    assert "stack_image_source of one is three, which comes later" in problem


def test_environments_that_wait_for_one_another_end() -> None:
    hosts = {
        "a": host("a", "dev", stack_image_source="b"),
        "b": host("b", "dev", stack_image_source="a"),
    }
    plan = rollout_plan(hosts, hosts, ["dev"])
    assert len(plan["problems"]) == 1
    assert [batch["hosts"] for batch in plan["batches"]] == [["a", "b"]]

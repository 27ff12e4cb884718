# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Drift: every attribute that the roles manage is changed behind their back, reported alone, restored, and stays so.

The attributes are not picked by hand: they are all fields of all resources that a plan on an empty account shows. An
attribute that drift_table.py can neither change nor excuse fails the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from conftest import LocalAws
from drift_table import MUTATORS, OUT_OF_REACH, SCALED_SERVICE, STRAY, TAGGERS, Mutator, Subject
from in_process import Modules, Task
from stack import HOST, PASSWORD, SCALED, Outcome, Stack

Fields = dict[str, Any]
Resource = tuple[str, str]
# Compared as a whole by what they mean, so they are one attribute each.
WHOLE = ("policy", "policies", "assume_role_policy_document", "ingress", "egress", "load_balancers", "routes")
SCALING_PARTS = {"scaling_policy": f"{HOST}:cpu", "scheduled_action": f"{HOST}:night"}
# What a repair needs no verdict on; the roles' own waits are tested with the modules.
HASTE: dict[str, Fields] = {
    "ecs_service": {"wait": False},
    "cognito_user_pool_domain": {"wait": False},
    "ecs_task_definition": {"keep_revisions": None},
}


@dataclass(frozen=True)
class Deployed:
    """A converged stack: its creation as it was planned, and the task that looks after each resource."""

    modules: Modules
    planned: list[Fields]
    tasks: dict[Resource, Task]

    def attributes(self) -> dict[str, dict[str, list[str]]]:
        """Returns kind -> path of the attribute -> names of the resources that have it."""
        found: dict[str, dict[str, list[str]]] = {}
        for change in self.planned:
            for path, value in leaves(change["after"]):
                names = found.setdefault(change["resource"], {}).setdefault(path, [])
                if value is not None:
                    names.append(change["name"])
        return found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if path not in WHOLE and isinstance(value, dict) and value:
        items: Iterable[tuple[Any, Any]] = value.items()
    elif path not in WHOLE and isinstance(value, list) and value and isinstance(value[0], dict):
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, item in items:
        yield from leaves(item, f"{path}/{key}" if path else str(key))


@pytest.fixture(scope="module")
def deployed(own_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    stack = Stack(tmp_path_factory.mktemp("stack"), own_aws)
    stack.variables |= SCALED
    planned = stack.site("--check").host["changes"]
    # An image that is known to be live is not looked at twice.
    live = {one: task for one, task in tasks_of(stack.site()).items() if one[0] == "ecr_live_images"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        modules = Modules(own_aws, monkeypatch)
        yield Deployed(modules, planned, {**live, **tasks_of(stack.site("--check"))})


def tasks_of(outcome: Outcome) -> dict[Resource, Task]:
    """Returns the last task of the roles for each resource, with the options that it had."""
    found: dict[Resource, Task] = {}
    for play in outcome.run.report["plays"]:
        for result in (task["hosts"].get(HOST, {}) for task in play["tasks"]):
            if "invocation" not in result or "changes" not in result:
                continue
            name = result["action"].rsplit(".", 1)[1]
            options = {**unmasked(result["invocation"]["module_args"]), **HASTE.get(name, {})}
            for one in [*result["changes"], *result["unchanged"]]:
                found[one["resource"], one["name"]] = Task(name, options)
    return found


def unmasked(options: Fields) -> Fields:
    """Returns options as they were given: Ansible hides secrets, and connection settings come from the environment."""
    kept = {key: value for key, value in options.items() if key not in ("access_key", "secret_key", "session_token")}
    for user in kept.get("users") or []:
        user["temporary_password"] = PASSWORD
    kept.pop("sensitive_environment", None)
    # What the same run had just read.
    kept.pop("known_records", None)
    kept.pop("known_domain", None)
    return kept


def mutator_of(kind: str, path: str) -> Mutator | None:
    if path.startswith("tags/") and not path.endswith("gatehouse:stack"):
        return TAGGERS.get(kind)
    return next((mutate for pattern, mutate in MUTATORS[kind].items() if fnmatchcase(path, pattern)), None)


def excuse_of(kind: str, path: str) -> str:
    excuses = {**OUT_OF_REACH["*"], **OUT_OF_REACH.get(kind, {})}
    return next((reason for pattern, reason in excuses.items() if fnmatchcase(path, pattern)), "")


def test_every_attribute_is_in_the_table_once(deployed: Deployed) -> None:
    attributes = [(kind, path) for kind, paths in deployed.attributes().items() for path in paths]
    counted = {one: bool(mutator_of(*one)) + bool(excuse_of(*one)) for one in attributes}
    changed = sum(bool(mutator_of(*one)) for one in attributes)
    print(f"{len(attributes)} attributes, {changed} changed out of band, {len(attributes) - changed} out of reach")
    assert {one: count for one, count in counted.items() if count != 1} == {}


def test_the_table_has_no_kind_that_no_plan_shows(deployed: Deployed) -> None:
    assert set(MUTATORS) == set(deployed.attributes())
    # The image is content-addressed: it is there or it is not, and the module that looks plans nothing.
    planned = {(change["resource"], change["name"]) for change in deployed.planned}
    assert {one for one in planned if one[0] != "ecr_image"} == set(deployed.tasks)


@pytest.mark.parametrize("kind", [kind for kind in MUTATORS if MUTATORS[kind] or kind in TAGGERS])
def test_drift_is_reported_field_by_field_restored_and_gone(deployed: Deployed, kind: str) -> None:
    problems = []
    for path, names in deployed.attributes()[kind].items():
        mutate = mutator_of(kind, path)
        if mutate and names:
            try:
                problems += [f"{path}: {problem}" for problem in drift(deployed, mutate, kind, path, names)]
            except Exception as error:
                problems.append(f"{path}: {type(error).__name__} {error}")
                repair(deployed, kind, names)
    assert problems == [], "\n".join(problems)


def drift(deployed: Deployed, mutate: Mutator, kind: str, path: str, names: list[str]) -> list[str]:
    names = [name for name in names if mutate(Subject(deployed.modules.client, kind, name, path)) is not False]
    predicted = run_tasks(deployed, kind, names, check=True)
    applied = run_tasks(deployed, kind, names, check=False)
    remaining = run_tasks(deployed, kind, names, check=True)
    problems = [] if fields_of(predicted) == expected(kind, path, names) else [f"planned {fields_of(predicted)}"]
    if fields_of(applied) != fields_of(predicted):
        problems.append(f"planned {fields_of(predicted)} but applied {fields_of(applied)}")
    return problems + ([f"not restored: {fields_of(remaining)}"] if remaining else [])


def repair(deployed: Deployed, kind: str, names: list[str]) -> None:
    run_tasks(deployed, kind, names, check=False)


def run_tasks(deployed: Deployed, kind: str, names: list[str], *, check: bool) -> list[Fields]:
    tasks = {id(task.options): task for name in names if (task := deployed.tasks[kind, name])}
    return [change for task in tasks.values() for change in deployed.modules.run(task, check=check)["changes"]]


def fields_of(changes: list[Fields]) -> dict[Resource, set[str]]:
    """Returns the fields in which each change differs from what is there."""
    return {
        (change["resource"], change["name"]): {
            field
            for field in change["before"].keys() | change["after"].keys()
            if change["before"].get(field) != change["after"].get(field)
        }
        for change in changes
    }


def expected(kind: str, path: str, names: list[str]) -> dict[Resource, set[str]]:
    field = path if kind == "ecs_task_definition" and not path.startswith("tags/") else path.split("/")[0]
    fields = {field, "revision"} if kind == "ecs_task_definition" and field != "tags" else {field}
    return {(kind, name): fields for name in names}


def test_tags_of_others_stay_where_they_are_allowed(deployed: Deployed) -> None:
    for (kind, name), task in deployed.tasks.items():
        if kind not in TAGGERS or "purge_tags" not in task.options:
            continue
        TAGGERS[kind](Subject(deployed.modules.client, kind, name, "tags/other"))
        lenient = Task(task.module, {**task.options, "purge_tags": False})
        assert deployed.modules.run(lenient, check=True)["changes"] == [], (kind, name)
        deployed.modules.run(task)


def test_the_count_of_an_autoscaled_service_is_left_alone(deployed: Deployed) -> None:
    task = deployed.tasks["ecs_service", HOST]
    unscaled = Task(task.module, {**task.options, "autoscaled": False})
    deployed.modules.client("ecs").update_service(cluster=HOST, service=HOST, desiredCount=3)
    assert deployed.modules.run(task, check=True)["changes"] == []
    assert [list(change["after"]) for change in deployed.modules.run(unscaled)["changes"]] == [["desired_count"]]


def test_spare_capacity_is_switched_off_and_on(deployed: Deployed) -> None:
    task = deployed.tasks["ecs_service", HOST]
    on_demand = Task(task.module, {**task.options, "capacity_provider_strategy": []})
    for one in (on_demand, task):
        assert [list(change["after"]) for change in deployed.modules.run(one)["changes"]] == [
            ["capacity_provider_strategy"]
        ]
        assert deployed.modules.run(one, check=True)["changes"] == []


def test_what_a_schedule_has_set_is_left_alone(deployed: Deployed) -> None:
    task, scaling = (
        deployed.tasks["scalable_target", f"service/{HOST}/{HOST}"],
        deployed.modules.client("application-autoscaling"),
    )
    scaling.register_scalable_target(**SCALED_SERVICE, MinCapacity=0, MaxCapacity=2)
    assert deployed.modules.run(task, check=True)["changes"] == []
    scaling.register_scalable_target(**SCALED_SERVICE, MinCapacity=1, MaxCapacity=4)


@pytest.mark.parametrize("kind", ["scaling_policy", "scheduled_action"])
def test_what_nobody_declared_is_deleted(deployed: Deployed, kind: str) -> None:
    scaling, task = deployed.modules.client("application-autoscaling"), deployed.tasks[kind, SCALING_PARTS[kind]]
    if kind == "scaling_policy":
        metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
        tracking = {"TargetValue": 5.0, "PredefinedMetricSpecification": metric}
        scaling.put_scaling_policy(
            **SCALED_SERVICE,
            PolicyName=STRAY,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracking,
        )
    else:
        action = {"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3}}
        scaling.put_scheduled_action(**SCALED_SERVICE, ScheduledActionName=STRAY, **action)
    (planned,) = deployed.modules.run(task, check=True)["changes"]
    assert (planned["action"], planned["resource"], planned["name"]) == ("delete", kind, f"{HOST}:{STRAY}")
    assert deployed.modules.run(task)["changes"] == [planned]
    assert deployed.modules.run(task)["changes"] == []


def test_targets_that_ecs_registered_are_left_alone(deployed: Deployed) -> None:
    elbv2, task = deployed.modules.client("elbv2"), deployed.tasks["elb_target_group", HOST]
    arn = elbv2.describe_target_groups(Names=[HOST])["TargetGroups"][0]["TargetGroupArn"]
    elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.0.32.10", "Port": 3000}])
    assert deployed.modules.run(task)["changes"] == []
    held = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert "10.0.32.10" in [one["Target"]["Id"] for one in held]


def test_another_stack_of_the_same_name_touches_nothing(deployed: Deployed) -> None:
    guarded = {id(task.options): task for task in deployed.tasks.values() if "adopt" in task.options}.values()
    for task in guarded:
        other = Task(task.module, {**task.options, "tags": {**task.options["tags"], "gatehouse:stack": "other"}})
        if task.module == "cognito_user_pool":
            # Names of user pools are not unique, so the other stack would get one of its own.
            assert [change["action"] for change in deployed.modules.run(other, check=True)["changes"]] == ["create"]
        else:
            refusal = deployed.modules.attempt(other)
            assert refusal["failed"], task.module
            assert f"carries the tag gatehouse:stack={HOST}: nothing of it was changed" in refusal["msg"]
    assert len(guarded) >= 13

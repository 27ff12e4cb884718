# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A resource of the same name that is not ours is neither changed nor deleted, unless it is to be adopted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LocalAws
from in_process import Modules, Task

Fields = dict[str, Any]
NAME = "owned"
THEIRS, NOBODYS, OURS = {"gatehouse:stack": "theirs"}, {"team": "web"}, {"gatehouse:stack": "ours"}
ACTION = {"type": "fixed_response", "status_code": "404"}
ROLE = {"name": NAME, "service": "ecs-tasks.amazonaws.com"}
# Module: what names the resource, what else it needs, and a difference that would be repaired.
GUARDED: dict[str, tuple[Fields, Fields, Fields]] = {
    "cloudwatch_log_group": ({"name": NAME}, {}, {"retention": 7}),
    "cognito_user_pool": ({"name": NAME}, {}, {"admin_create_user_only": True}),
    "ecr_repository": ({"name": NAME}, {}, {"keep_images": 5}),
    "ecs_cluster": ({"name": NAME}, {}, {"container_insights": "enabled"}),
    "ecs_task_definition": (
        {"family": NAME},
        {"containers": [{"name": "app", "image": "public.ecr.aws/nginx/nginx:latest"}]},
        {"memory": 2048},
    ),
    "elb_target_group": ({"name": NAME}, {"port": 3000}, {"health_check_path": "/other"}),
    "elb_load_balancer": ({"name": NAME}, {}, {"idle_timeout": 61}),
    "iam_service_roles": ({"roles": [ROLE]}, {}, {"roles": [{**ROLE, "description": "other"}]}),
    "s3_log_bucket": ({"name": f"{NAME}-by-somebody"}, {}, {"expire_days": 5}),
}
# Names of user pools are not unique: the pool of another stack is not even a candidate.
CASES = [
    (module, owner)
    for module in GUARDED
    for owner in (THEIRS, NOBODYS)
    if (module, owner) != ("cognito_user_pool", THEIRS)
]


@pytest.fixture(scope="module")
def modules(local_aws: LocalAws) -> Iterator[Modules]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Modules(local_aws, monkeypatch)


@pytest.fixture(scope="module")
def places(modules: Modules) -> Fields:
    """What a module needs of the account's default network."""
    ec2 = modules.client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    chosen = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    return {
        "elb_target_group": {"vpc_id": vpc},
        "elb_load_balancer": {"subnet_ids": list(chosen.values())[:2]},
    }


def task(places: Fields, module: str, **more: Any) -> Task:
    identity, needs, _difference = GUARDED[module]
    return Task(module, {"region": "ap-northeast-1", **identity, **needs, **places.get(module, {}), **more})


@pytest.mark.parametrize(("module", "owner"), CASES, ids=[f"{module}-{'/'.join(owner)}" for module, owner in CASES])
def test_what_is_not_ours_is_refused_unless_adopted(
    modules: Modules, places: Fields, module: str, owner: dict[str, str]
) -> None:
    difference = GUARDED[module][2]
    modules.run(task(places, module, tags=owner))
    before = modules.run(task(places, module, tags=owner), check=True)
    for more in ({**difference}, {"state": "absent"}):
        for check in (True, False):
            refused = modules.attempt(task(places, module, tags=OURS, **more), check=check)
            assert refused["failed"], more
            holder = "carries the tag gatehouse:stack=theirs" if owner == THEIRS else "carries no tag"
            for words in (NAME, holder, "adopt=true", "stack_adopt", "nothing of it was changed"):
                assert words in refused["msg"]
    assert modules.run(task(places, module, tags=owner), check=True) == before
    adopted = modules.run(task(places, module, tags=OURS, adopt=True, **difference))
    assert adopted["changes"] != []
    assert modules.run(task(places, module, tags=OURS, **difference))["changes"] == []
    assert modules.run(task(places, module, tags=OURS, state="absent"))["changes"] != []

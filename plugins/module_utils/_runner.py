# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The runner every module of the collection goes through: describe, plan, apply.

This module util is private to the collection. It can have breaking changes at any time.

A module brings three functions:

- ``describe() -> state``: reads what is there into plain snake_case data (``{}`` or ``[]`` when nothing is).
- ``plan(current) -> Plan``: pure; decides what has to change and what the state will be afterwards.
- ``apply(plan) -> None``: carries the plan out, nothing else.

``run`` turns them into Ansible's contract. Check mode returns the plan and stops.
"""

from __future__ import annotations

from collections.abc import Callable

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # AnsibleAWSModule reports a missing botocore.

    class BotoCoreError(Exception):  # type: ignore[no-redef]
        """Stands in for botocore's base error."""

    class ClientError(Exception):  # type: ignore[no-redef]
        """Stands in for botocore's API error."""


from ansible.module_utils.common.yaml import yaml_dump
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import (
    Change,
    Fields,
    Plan,
    PlanRefusedError,
    State,
)
from ansible_collections.gatehouse.fargate.plugins.module_utils._resources import resources


def run(
    module: AnsibleAWSModule,
    key: str,
    *,
    describe: Callable[[], State],
    plan: Callable[[State], Plan],
    apply: Callable[[Plan], None],
) -> None:
    """Describes, plans and, outside check mode, applies; exits the module with the state under ``key``."""
    try:
        planned, state = _converge(module.check_mode, describe, plan, apply)
    except PlanRefusedError as error:
        module.fail_json(msg=str(error))
    except AnsibleAWSError as error:
        module.fail_json_aws_error(error)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Failed to manage the {key.replace('_', ' ')}")
    else:
        module.exit_json(**_result(key, planned, state, module.params))


def _result(key: str, planned: Plan, state: State, params: Fields) -> Fields:
    touched = {(change.resource, change.name) for change in planned.changes}
    kept = [one for one in resources(key, state, params) if one not in touched]
    return {
        "changed": bool(planned.changes),
        "changes": [change.shown() for change in planned.changes],
        "unchanged": [{"resource": resource, "name": name} for resource, name in kept],
        "diff": [_diff(change) for change in planned.changes],
        key: state,
    }


def _converge(
    check_mode: bool,
    describe: Callable[[], State],
    plan: Callable[[State], Plan],
    apply: Callable[[Plan], None],
) -> tuple[Plan, State]:
    planned = plan(describe())
    if check_mode or not planned.changes:
        return planned, planned.result
    apply(planned)
    return planned, describe()


def _diff(change: Change) -> dict[str, str]:
    header = f"{change.resource} {change.name}"
    return {
        "before_header": header,
        "after_header": f"{header} ({change.action.value})",
        "before": _as_yaml(change.before),
        "after": _as_yaml(change.after),
    }


def _as_yaml(fields: Fields) -> str:
    return yaml_dump(fields, sort_keys=True, default_flow_style=False) if fields else ""

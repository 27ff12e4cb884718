# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a deployment gets its traffic: rolling, or shifted between two target groups by ECS.

Ranges and defaults are those of the API: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import Fields

ROLLING = "ROLLING"
STRATEGIES = (ROLLING, "BLUE_GREEN", "CANARY", "LINEAR")
# Option: strategy, fields of the API by option.
STEPS: dict[str, tuple[str, dict[str, str]]] = {
    "canary_configuration": (
        "CANARY",
        {"canary_percent": "canaryPercent", "canary_bake_time_in_minutes": "canaryBakeTimeInMinutes"},
    ),
    "linear_configuration": (
        "LINEAR",
        {"step_percent": "stepPercent", "step_bake_time_in_minutes": "stepBakeTimeInMinutes"},
    ),
}
API = {"canary_configuration": "canaryConfiguration", "linear_configuration": "linearConfiguration"}
FIELDS = ("strategy", "bake_time_in_minutes", *STEPS)
ADVANCED = {
    "alternate_target_group_arn": "alternateTargetGroupArn",
    "production_listener_rule": "productionListenerRule",
    "test_listener_rule": "testListenerRule",
    "role_arn": "roleArn",
}
LEAST_PERCENT = {"canary_percent": 0.1, "step_percent": 3.0}
MOST_MINUTES = 1440

DEFAULTS: Fields = {
    "bake_time_in_minutes": 5,
    "canary_configuration": {"canary_percent": 5.0, "canary_bake_time_in_minutes": 10},
    "linear_configuration": {"step_percent": 10.0, "step_bake_time_in_minutes": 6},
}
# ECS's circuit breaker is for rolling deployments only; what fails otherwise is rolled back by who waits for it.
NO_BREAKER: Fields = {"enable": False, "rollback": False}


def option(name: str) -> Fields:
    """Returns the argument spec of an option that configures the steps of one strategy."""
    options = {
        key: {"type": "float" if key in LEAST_PERCENT else "int", "default": default}
        for key, default in DEFAULTS[name].items()
    }
    return {"type": "dict", "apply_defaults": True, "options": options}


OPTIONS: dict[str, Any] = {
    "strategy": {"type": "str", "choices": list(STRATEGIES), "default": ROLLING},
    "bake_time_in_minutes": {"type": "int", "default": DEFAULTS["bake_time_in_minutes"]},
    **{name: option(name) for name in STEPS},
}


def is_rolling(fields: Fields) -> bool:
    return fields.get("strategy", ROLLING) == ROLLING


def described_shift(deployment: Fields) -> Fields:
    """Returns how the traffic of a described service moves; what its strategy does not use is None."""
    strategy = deployment.get("strategy", ROLLING)
    shift: Fields = {"strategy": strategy, "bake_time_in_minutes": None, **dict.fromkeys(STEPS)}
    if strategy != ROLLING:
        shift["bake_time_in_minutes"] = deployment.get("bakeTimeInMinutes", 0)
    for name, (owner, fields) in STEPS.items():
        held = deployment.get(API[name], {})
        if owner == strategy:
            shift[name] = {key: held.get(api, DEFAULTS[name][key]) for key, api in fields.items()}
    return shift


def declared_shift(params: Fields) -> Fields:
    """Returns the declared shift in the described form."""
    strategy = params["strategy"]
    return {
        "strategy": strategy,
        "bake_time_in_minutes": None if strategy == ROLLING else params["bake_time_in_minutes"],
        **{name: params[name] if owner == strategy else None for name, (owner, _fields) in STEPS.items()},
    }


def requested_shift(fields: Fields) -> Fields:
    """Returns the part of a deployment configuration that says how traffic moves."""
    strategy = fields.get("strategy", ROLLING)
    request: Fields = {"strategy": strategy}
    if strategy != ROLLING:
        request["bakeTimeInMinutes"] = fields["bake_time_in_minutes"]
    for name, (owner, names) in STEPS.items():
        if owner == strategy:
            request[API[name]] = {api: fields[name][key] for key, api in names.items()}
    return request


def described_advanced(item: Fields) -> Fields:
    """Returns what ECS needs to move the traffic of a target group; nothing where there is no second one."""
    held = item.get("advancedConfiguration") or {}
    found = {name: held[api] for name, api in ADVANCED.items() if held.get(api)}
    return {"advanced_configuration": found} if found else {}


def declared_advanced(item: Fields) -> Fields:
    given = item.get("advanced_configuration") or {}
    found = {name: given[name] for name in ADVANCED if given.get(name)}
    return {"advanced_configuration": found} if found else {}


def requested_advanced(item: Fields) -> Fields:
    held = item.get("advanced_configuration") or {}
    return {"advancedConfiguration": {ADVANCED[name]: value for name, value in held.items()}} if held else {}


def target_groups(balancers: list[Fields]) -> list[str]:
    """Returns the target groups that tasks of a described service may be in."""
    found = [
        arn
        for one in balancers
        for arn in (
            one["target_group_arn"],
            one.get("advanced_configuration", {}).get("alternate_target_group_arn"),
        )
    ]
    return [arn for arn in found if arn]


def pauses(fields: Fields) -> int:
    """Returns for how many seconds ECS waits on purpose in a deployment of a described service."""
    minutes = fields.get("bake_time_in_minutes") or 0
    canary, linear = fields.get("canary_configuration"), fields.get("linear_configuration")
    if canary:
        minutes += canary["canary_bake_time_in_minutes"]
    if linear:
        steps = math.ceil(round(100 / linear["step_percent"], 6))
        minutes += (steps - 1) * linear["step_bake_time_in_minutes"]
    return int(minutes * 60)


def problems(options: Fields) -> Iterator[str]:
    """Yields one sentence for each thing that makes a declared shift impossible; options may be left out."""
    strategy = options.get("strategy", ROLLING)
    if strategy not in STRATEGIES:
        yield f"strategy is {strategy}: it must be one of {', '.join(STRATEGIES)}."
        return
    minutes = options.get("bake_time_in_minutes")
    if minutes is not None and not 0 <= int(minutes) <= MOST_MINUTES:
        yield f"bake_time_in_minutes is {minutes}: give 0 to {MOST_MINUTES}."
    for name in STEPS:
        for key, value in (options.get(name) or {}).items():
            yield from step_problems(f"{name}.{key}", key, value)


def step_problems(path: str, key: str, value: Any) -> Iterator[str]:
    if key not in LEAST_PERCENT:
        if not 0 <= int(value) <= MOST_MINUTES:
            yield f"{path} is {value}: give 0 to {MOST_MINUTES}."
        return
    tenths = float(value) * 10
    if not LEAST_PERCENT[key] <= float(value) <= 100 or abs(tenths - round(tenths)) > 1e-6:
        yield f"{path} is {value}: give a multiple of 0.1 from {LEAST_PERCENT[key]} to 100."


def balancer_problems(strategy: str, balancers: list[Fields]) -> Iterator[str]:
    """Yields why traffic cannot be shifted, or need not be, with the target groups that are given."""
    shared = [one for one in balancers if one.get("advanced_configuration")]
    if strategy == ROLLING and shared:
        yield "strategy is ROLLING, which has no use for load_balancers[].advanced_configuration: take one of them out."
    elif strategy != ROLLING and len(shared) < len(balancers):
        yield f"strategy is {strategy}: give each of load_balancers an advanced_configuration, or use ROLLING."
    elif strategy not in (ROLLING, "BLUE_GREEN") and not balancers:
        yield f"strategy is {strategy} and load_balancers is empty: there is no traffic to shift, use ROLLING."

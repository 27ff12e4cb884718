# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A forward that two target groups share: who deploys decides how much traffic each gets, and a rule keeps it.

ECS moves the weights of a rule during a deployment that is not rolling:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html
Setting them back would lead visitors to tasks that are gone. Pure functions, no API calls.
This module util is private to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]


def as_left(desired: list[Fields], current: list[Fields]) -> list[Fields]:
    """Returns the declared actions with the weights that their forward has now, as far as they may stay."""
    held: Fields = next((action for action in current if action["type"] == "forward"), {})
    return [settled(action, weights_of(held)) if action["type"] == "forward" else action for action in desired]


def weights_of(forward: Fields) -> dict[str, int]:
    """Returns what each target group of a current forward gets; nothing when it cannot be told."""
    if "weights" in forward:
        return dict(forward["weights"])
    if "other" in forward:
        groups = forward["other"].get("TargetGroups", [])
        return {group["TargetGroupArn"]: group.get("Weight", 1) for group in groups}
    return {forward["target_group_arn"]: 1} if forward.get("target_group_arn") else {}


def settled(declared: Fields, held: dict[str, int]) -> Fields:
    first, second = declared["target_group_arn"], declared.get("alternate_target_group_arn")
    if second:
        return {"type": "forward", "weights": shared(first, second, held)}
    names = {name_of(arn) for arn in held.keys() - {first}}
    if names and names == {declared.get("retiring_target_group")}:
        return {"type": "forward", "weights": held} if len(held) > 1 else plain(*held)
    return plain(first)


def plain(arn: str) -> Fields:
    return {"type": "forward", "target_group_arn": arn}


def shared(first: str, second: str, held: dict[str, int]) -> dict[str, int]:
    """Returns the weights of two groups: as they are, all to the first where neither has any."""
    weights = {arn: held.get(arn, 0) for arn in (first, second)}
    if not any(weights.values()):
        return {first: 100, second: 0}
    # A plain forward counts as all of the traffic.
    return {arn: 100 if held == {arn: 1} else weight for arn, weight in weights.items()}


def name_of(arn: str) -> str:
    """Returns the name in the ARN of a target group: ...:targetgroup/name/id."""
    return arn.rpartition(":targetgroup/")[2].partition("/")[0]

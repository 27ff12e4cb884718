# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tags whose text survives XML, and the limit on how many resources one call may ask about."""

from __future__ import annotations

from ministack.services import alb

from local_aws.elb.api import answer, element, elements, error, members, texts
from local_aws.hooks import Handler, Params, Response, guard, patch_action

MOST_RESOURCES = 20


def install() -> None:
    """Replace DescribeTags."""
    patch_action(alb._ACTION_MAP, "DescribeTags", _describe)
    guard(alb._ACTION_MAP, "DescribeTags", _refuse_too_many)


def _refuse_too_many(params: Params) -> Response | None:
    if len(texts(params, "ResourceArns")) > MOST_RESOURCES:
        return error("ValidationError", f"Cannot have more than {MOST_RESOURCES} resources described")
    return None


def _describe(_original: Handler) -> Handler:
    def describe(params: Params) -> Response:
        descriptions = []
        for wanted in texts(params, "ResourceArns"):
            arn, problem = alb._resolve_taggable_elbv2_arn(wanted)
            if problem:
                return (problem[0], problem[1], problem[2])
            descriptions.append(_view(arn))
        return answer("DescribeTags", members("TagDescriptions", descriptions))

    return describe


def _view(arn: str) -> str:
    pairs = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in alb._tags.get(arn, [])]
    return element("ResourceArn", arn) + members("Tags", [elements(pair) for pair in pairs])

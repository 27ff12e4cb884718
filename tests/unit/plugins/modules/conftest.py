# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._ec2.calls import Call, resolve
from botocore import xform_name
from botocore.validate import ParamValidator


@cache
def inputs_of(service: str) -> dict[str, Any]:
    """Returns the input shape of every operation of a service, by the name of its method."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name).input_shape for name in model.operation_names}


@pytest.fixture
def check_request() -> Callable[[str, Call], None]:
    """Fails when a planned request is not what botocore's model of the API allows."""

    def check(service: str, call: Call) -> None:
        settled: dict[str, str] = defaultdict(lambda: "id-of-a-reference")
        report = ParamValidator().validate(resolve(call.request, settled), inputs_of(service)[call.operation])
        assert not report.has_errors(), f"{call.operation}: {report.generate_report()}"

    return check

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""`module_defaults: group/gatehouse.fargate.aws` has to reach every module that talks to AWS."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_AWS = {"dns_delegation_info", "https_smoke_test", "source_hash"}


def test_the_action_group_holds_every_aws_module() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]["aws"]
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert {name for name in group if isinstance(name, str)} == modules - WITHOUT_AWS

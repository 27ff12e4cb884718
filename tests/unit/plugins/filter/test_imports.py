# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILTERS = Path(__file__).parents[4] / "plugins" / "filter"
# Ansible loads the filters anew in the process of every task that uses one.
LOAD = "import sys, importlib; importlib.import_module(sys.argv[1]); print('botocore' in sys.modules)"


@pytest.mark.parametrize("name", sorted(file.stem for file in FILTERS.glob("*.py")))
def test_a_filter_needs_no_aws_library(name: str) -> None:
    module = f"ansible_collections.gatehouse.fargate.plugins.filter.{name}"
    done = subprocess.run([sys.executable, "-c", LOAD, module], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

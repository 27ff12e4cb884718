# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Measures deployments and writes docs/performance.md and its pictures.

    python -m bench                   everything, with AWS's times as they are documented
    python -m bench --scale 0.1       with a tenth of AWS's times
    python -m bench no_waits fleet    only these parts; the others are as they were measured last

Each part has a local AWS of its own. Where Terraform and its AWS provider are installed, an equivalent stack is
applied beside ours.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import report
from .bench import Bench
from .fleet import fleet
from .one_stack import with_aws_times, without_waits
from .peer import beside_terraform

PARTS: dict[str, Callable[[Bench], report.Section]] = {
    "aws_times": with_aws_times,
    "no_waits": without_waits,
    "fleet": fleet,
    "peer": beside_terraform,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="share of AWS's documented times")
    parser.add_argument("--port", type=int, default=4660, help="first port of the local AWS")
    parser.add_argument("--fleets", type=int, nargs="+", default=[1, 10, 50], help="numbers of environments")
    options = parser.parse_args()
    # So that what was started is stopped in that case, too.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    wanted = options.parts or list(PARTS)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        bench = Bench(Path(folder), options.port, options.scale, tuple(options.fleets))
        for part in wanted:
            report.keep(part, PARTS[part](bench))
    sections = [section for part in PARTS if (section := report.kept(part))]
    text = report.page(sections, options.scale)
    print(text)
    if len(sections) == len(PARTS):
        report.write(text, sections)


if __name__ == "__main__":
    main()

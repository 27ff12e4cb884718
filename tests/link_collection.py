# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Makes this checkout the collection gatehouse.fargate of the virtual environment that runs this file."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible_collections

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Links where Python imports from, and first on Ansible's path, so that no installed copy hides the checkout."""
    for folder in (
        Path(next(iter(ansible_collections.__path__))),
        Path(sys.prefix, "collections", "ansible_collections"),
    ):
        link = folder / "gatehouse" / "fargate"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(CHECKOUT, target_is_directory=True)
        print(f"{link} -> {CHECKOUT}")


if __name__ == "__main__":
    main()

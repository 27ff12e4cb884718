# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the local AWS: patch ministack, then start its server."""

from __future__ import annotations

from ministack import app

from local_aws import acm, control, hooks
from local_aws._early import albx, cognitox, ec2x, ecsx

hooks.check_version()
for early in (ec2x, albx, cognitox, ecsx):
    early.install(app)
acm.install()
control.install()
app.main()

# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Shows what happens to a service while the module ecs_service waits for it."""

from __future__ import annotations

from ansible_collections.gatehouse.fargate.plugins.plugin_utils.watched import WatchedAction


class ActionModule(WatchedAction):
    """Runs the module, and follows the file to which it reports."""

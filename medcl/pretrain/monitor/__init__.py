"""Measures logged during a run: features, signs of collapse, loss and speed."""

from medcl.pretrain.monitor.log import RunLog
from medcl.pretrain.monitor.measures import collapse_message, prototype_use, spread
from medcl.pretrain.monitor.monitor_set import MonitorSet

__all__ = ["MonitorSet", "RunLog", "collapse_message", "prototype_use", "spread"]

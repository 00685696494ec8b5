"""Measures logged during a run: features, signs of collapse, loss and speed."""

from medcl.pretrain.monitor.log import RunLog
from medcl.pretrain.monitor.measures import collapse_message, embedding_std, prototype_use
from medcl.pretrain.monitor.monitor_set import MonitorSet

__all__ = ["MonitorSet", "RunLog", "collapse_message", "embedding_std", "prototype_use"]

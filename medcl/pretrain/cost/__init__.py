"""The cost of a run before it starts: storage, memory, bytes on the wire, hours."""

from medcl.pretrain.cost.measure_rates import plan_run
from medcl.pretrain.cost.plan import Plan, Rates, plan

__all__ = ["Plan", "Rates", "plan", "plan_run"]

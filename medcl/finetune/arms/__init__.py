"""The arms that a study compares: what they are given and return, and the registry of all of them."""

from medcl.finetune.arms.base import ArmContext, ArmResult, RunArm
from medcl.finetune.arms.registry import ARMS, ArmSpec, arms_by_name, find_arms

__all__ = ["ARMS", "ArmContext", "ArmResult", "ArmSpec", "RunArm", "arms_by_name", "find_arms"]

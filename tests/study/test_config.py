"""Configuration of a study: what is refused before any work."""

from __future__ import annotations

import pytest

from medcl.config import read_yaml, validate
from medcl.errors import UsageError
from medcl.study import StudyConfig
from medcl.views import shipped


def test_pooling_under_a_3d_encoder_is_refused() -> None:
    study = read_yaml(shipped("studies/demo.yaml"))
    study["pretrain"]["encoder"]["spatial_dims"] = 3
    validate(study, StudyConfig, "study.yaml")
    study["training"]["pooling"] = "gru"
    with pytest.raises(UsageError, match="a 3-D encoder takes volumes"):
        validate(study, StudyConfig, "study.yaml")

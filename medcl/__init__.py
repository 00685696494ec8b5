"""medcl: contrastive pretraining and honest few-label evaluation for medical images."""

__version__ = "0.1.0"

"""Prediction of new scans with a trained model: read, shown, scored and forgotten, one after the other."""

from medcl.predict.archive import predict_archive

__all__ = ["predict_archive"]

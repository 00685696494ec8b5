"""Pixels: decoding of frames, and from stored bits to measured or displayed values."""

from medcl.archive.dicom.pixels.codecs import installed, missing_decoders
from medcl.archive.dicom.pixels.frames import MeasuredFrame, PixelFile, measure

__all__ = ["MeasuredFrame", "PixelFile", "installed", "measure", "missing_decoders"]

"""Series: files of a series put together as stacks of slices, and stacks as volumes or images."""

from medcl.archive.dicom.series.assemble import assemble
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.stacks import Stack, group

__all__ = ["PixelSums", "Stack", "assemble", "group"]

"""Label objects: segmentations (SEG) and structure sets (RTSTRUCT) as masks on the grid of a scan."""

from medcl.archive.dicom.labels.rtstruct import LabelHeader, read_label_header, structures
from medcl.archive.dicom.labels.seg import segments

__all__ = ["LabelHeader", "read_label_header", "segments", "structures"]

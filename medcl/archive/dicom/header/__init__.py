"""Headers: the elements of a DICOM file, parsed without its pixels, as typed attributes and frames."""

from medcl.archive.dicom.header.model import Attributes, DicomHeader, Frame, Region
from medcl.archive.dicom.header.read import header_of, open_elements, read_header

__all__ = ["Attributes", "DicomHeader", "Frame", "Region", "header_of", "open_elements", "read_header"]

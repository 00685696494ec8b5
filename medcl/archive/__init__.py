"""Archives of medical images: from any folder of scans to a catalog, a ledger and scans with their geometry.

`scan_archive` catalogs a folder and records every file in a ledger; `read` returns a scan, and `read_mask`
its labels. Sub-packages hold the storage, the file formats, DICOM and the ledger.
"""

from medcl.archive.catalog import ArchiveError, Catalog
from medcl.archive.convert import convert, nifti_image
from medcl.archive.explain import explain_scan
from medcl.archive.geometry import LPS_TO_RAS
from medcl.archive.hounsfield import as_modality
from medcl.archive.patients import bids_subject, patient_identifier
from medcl.archive.privacy import pseudonym
from medcl.archive.read import read, read_all, read_mask
from medcl.archive.resample import orthogonal, orthogonal_labels
from medcl.archive.scan import Scan
from medcl.archive.scanning import scan_archive
from medcl.archive.vocabulary import MODALITIES

__all__ = [
    "LPS_TO_RAS",
    "MODALITIES",
    "ArchiveError",
    "Catalog",
    "Scan",
    "as_modality",
    "bids_subject",
    "convert",
    "explain_scan",
    "nifti_image",
    "orthogonal",
    "orthogonal_labels",
    "patient_identifier",
    "pseudonym",
    "read",
    "read_all",
    "read_mask",
    "scan_archive",
]

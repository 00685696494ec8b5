"""Image formats beside DICOM, each in a module of its own; `registry` is the list of them."""

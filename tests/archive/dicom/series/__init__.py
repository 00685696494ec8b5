"""Tests of DICOM series."""

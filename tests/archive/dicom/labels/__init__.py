"""Tests of DICOM labels."""

"""Tests of DICOM header."""

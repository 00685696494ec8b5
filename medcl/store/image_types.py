"""Which image types a store leaves out: rules by flag and modality, in `configs/image_types.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from medcl.archive import MODALITIES
from medcl.archive.flags import FLAGS, split_flags
from medcl.config import Config, read_yaml, shipped, validate
from medcl.errors import UsageError


class Exceptions(Config):
    """What keeps a scan in the store although it has the flag of a rule.

    Attributes:
        except_modalities: DICOM modality codes whose scans the rule does not leave out.
        except_flags: Flags of scans that the rule does not leave out.
    """

    except_modalities: tuple[str, ...] = Field(default=())
    except_flags: tuple[str, ...] = Field(default=())


ImageTypes = Mapping[str, Exceptions]
"""Exceptions by the flag that leaves a scan out, first rule first."""


def read_image_types(path: Path | None = None) -> ImageTypes:
    """Read the rules of image types; the shipped ones without a path.

    Raises:
        UsageError: The file is missing or no mapping, or names a flag or a modality that does not exist.
    """
    path = path or shipped("image_types.yaml")
    rules: dict[str, Exceptions] = {}
    for flag, content in read_yaml(path).items():
        rule = validate(content or {}, Exceptions, f"{path}: {flag}")
        unknown_flags = sorted({flag, *rule.except_flags} - set(FLAGS))
        if unknown_flags:
            raise UsageError(f"{path}: '{unknown_flags[0]}' is no flag of the catalog, such as DERIVED")
        unknown = sorted(set(rule.except_modalities) - MODALITIES - {"unknown"})
        if unknown:
            raise UsageError(f"{path}: {flag}: '{unknown[0]}' is no DICOM modality, such as DX")
        rules[flag] = rule
    return rules


def excluding_flag(flags: str, modality: str, rules: ImageTypes) -> str | None:
    """Return the first flag for which a rule leaves a scan out, or None.

    Args:
        flags: Flags of the scan, joined by `;`.
        modality: DICOM modality code of the scan, or `unknown`.
        rules: Rules of `read_image_types`.
    """
    raised = split_flags(flags)
    for flag, rule in rules.items():
        excepted = modality in rule.except_modalities or raised & set(rule.except_flags)
        if flag in raised and not excepted:
            return flag
    return None

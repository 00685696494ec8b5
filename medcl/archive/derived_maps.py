"""Names of images that were computed from other images: parameter maps, statistics, warps, certainty.

Such a map repeats what its image shows, so it is flagged DERIVED; rules of the store say whether it is used
(`configs/image_types.yaml`). Sources: BIDS 1.10 (suffixes of derivatives), output names of FSL and SPM.
"""

from __future__ import annotations

import re

from medcl.archive.label_evidence import split_name
from medcl.archive.patients import stem

MAP_WORDS = frozenset(
    {"adc", "eadc", "fa", "md", "colfa", "cbf", "cbv", "mtt", "ttp", "tmax", "rcbf", "rcbv"}
    | {
        "ktrans",
        "kep",
        "t1map",
        "t2map",
        "t2starmap",
        "r1map",
        "r2map",
        "r2starmap",
        "pdmap",
        "qsm",
        "chimap",
    }
    | {"b0map", "b1map", "fieldmap", "statmap", "dwimap", "tmap", "zmap", "pmap", "fmap", "alff", "falff"}
    | {"reho", "mip", "minip", "warp", "warpfield", "invwarp", "xfm", "deformation", "displacement", "dvf"}
    | {"jacobian", "jacobians", "entropy", "uncertainty", "variance", "residual", "residuals", "saliency"}
    | {"heatmap", "heatmaps", "gradcam", "superpixels", "logits", "confidence", "certainty"}
)
"""Words that say so at the end of a volume's name, before numbers."""

IMAGE_WORDS = frozenset(
    {"heatmap", "heatmaps", "gradcam", "saliency", "superpixels", "uncertainty", "entropy", "confidence"}
)
"""Words that say so at the end of an image's name."""

NUMBERED = frozenset({"zstat", "tstat", "fstat", "zfstat", "cope", "varcope"})
"""Statistics of FSL, which are numbered (`zstat1`)."""

DIFFUSION_MODELS = frozenset({"dti", "dki", "noddi"})
DIFFUSION_MAPS = frozenset(
    {
        "ad",
        "ak",
        "fa",
        "ficvf",
        "fiso",
        "icvf",
        "isovf",
        "l1",
        "l2",
        "l3",
        "md",
        "mk",
        "mo",
        "odi",
        "rd",
        "rk",
    }
    | {"s0", "tensor", "v1", "v2", "v3"}
)
_SPM = re.compile(r"(spm[tf]|con|ess|beta|snpmt?)_\d{4}|(resms|rpv)|i?y_.+|u_rc\d.+", re.I)


def is_map_name(place: str, is_volume: bool) -> bool:
    """Return whether the name of a file says that it holds a map that was computed from other images."""
    name = stem(place)
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if not words:
        return False
    last = {words[-1], *split_name(name)[-1:]}
    if not is_volume:
        return bool(last & IMAGE_WORDS)
    return (
        bool(last & MAP_WORDS)
        or words[-1].rstrip("0123456789") in NUMBERED
        or (words[-1] in DIFFUSION_MAPS and bool(DIFFUSION_MODELS & set(words)))
        or _SPM.fullmatch(name) is not None
    )

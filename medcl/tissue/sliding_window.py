"""Maps of whole scans by a network that segments, resampled to the scan's own voxels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from scipy import ndimage
from torch import Tensor, nn

from medcl.finetune import Images, whole_views
from medcl.store import Store
from medcl.tissue.patch_sampling import scan_body_mask
from medcl.views import read_geometry
from medcl.views.backends.pipeline import MIDDLE, SCALE

BLACK = -MIDDLE / SCALE
BATCH = 32


@dataclass(frozen=True)
class WholeScan:
    """A whole scan as an encoder is shown it, unaugmented, at the pixel size of its patches.

    Attributes:
        tissue: (I, J, K) boolean, the voxels that are mapped.
        views: (slices, C, H, W), or (1, C, *spatial) for a 3-D encoder.
        to_pixel: (3, 4) from a voxel of the scan to a pixel of `views`, slices last.
    """

    tissue: np.ndarray
    views: Tensor
    to_pixel: np.ndarray

    @classmethod
    def of(cls, store: Store, row: int, pixel_mm: float, images: Images) -> WholeScan:
        """Show a scan of the store as `images` says, but at `pixel_mm` and with all of its slices."""
        geometry = read_geometry(store, [row], images.dims)
        first, last = geometry.slice_box[0]
        size = max(1, round(float(geometry.whole[0]) / pixel_mm))
        whole = replace(images, size=size, slices=int(last - first) + 1)
        (batch,) = whole_views(store, [row], whole)
        affine = store.affine(row)
        assert batch.affines is not None
        assert affine is not None, "only volumes are mapped"
        # The third column of a slice's affine is one step to the next slice.
        to_pixel = np.linalg.inv(batch.affines[0, 0].numpy()) @ affine
        return cls(scan_body_mask(store, row), batch.data[0], to_pixel[:3])

    @torch.inference_mode()
    def map(self, network: nn.Module, window: int) -> np.ndarray:
        """Return the probability (I, J, K), float32, that each voxel is abnormal; 0 off the tissue.

        Args:
            network: Maps (N, C, *spatial) to log odds (N, 1, *spatial).
            window: Edge of a window in pixels; windows overlap by half.
        """
        network.eval()
        size = (window,) * (self.views.ndim - 2)
        logits = sliding_window_inference(
            self.views, size, BATCH, network, overlap=0.5, mode="gaussian", cval=BLACK
        )
        probability = logits[:, 0].sigmoid().numpy()
        volume = np.moveaxis(probability, 0, -1) if len(size) == 2 else probability[0]
        resampled = ndimage.affine_transform(
            volume, self.to_pixel, output_shape=self.tissue.shape, order=1, mode="nearest"
        )
        return np.where(self.tissue, np.clip(resampled, 0, 1), np.float32(0))

"""lightly's own PyTorch example of SimCLR, one epoch at a time; `pretrain.py` runs it in a venv of its own.

Follows examples/pytorch/simclr.py of lightly 1.6 (ResNet-18, SimCLRTransform, NTXentLoss, SGD at .06, workers
that make the views), on images in memory. Reads "end-to-end" or "network" from standard input, trains an
epoch, with or without making views, and prints its seconds.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
import torchvision
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image


class Images(torch.utils.data.Dataset):
    """Images in memory with a transform, as CIFAR-10 is in the example."""

    def __init__(self, arrays: np.ndarray, transform: SimCLRTransform) -> None:
        self.images = [Image.fromarray(array).convert("RGB") for array in arrays]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[list[torch.Tensor], int]:
        return self.transform(self.images[index]), 0


class SimCLR(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = list(torchvision.models.resnet18().children())[:-1]
        self.backbone = torch.nn.Sequential(*layers)
        self.projection_head = SimCLRProjectionHead(512, 512, 128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.projection_head(self.backbone(x).flatten(start_dim=1))


def main(images: str, size: int, batch: int, threads: int) -> None:
    torch.set_num_threads(threads)
    model, criterion = SimCLR(), NTXentLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    dataset = Images(np.load(images), SimCLRTransform(input_size=size))
    workers = {"batch_size": batch, "shuffle": True, "drop_last": True, "num_workers": threads}
    loader = torch.utils.data.DataLoader(dataset, **workers)
    fixed = [torch.randn(batch, 3, size, size) for _ in range(2)]

    def step(x0: torch.Tensor, x1: torch.Tensor) -> None:
        loss = criterion(model(x0), model(x1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step(*fixed)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        if line.strip() == "network":
            for _ in range(len(loader)):
                step(*fixed)
        else:
            for views, _ in loader:
                step(*views)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""Cached gradients: the exact gradient of a large contrastive batch in the memory of a small one.

Gao et al. 2021, arXiv 2101.06983. Accumulating the gradients of small batches does not do this: each would
have only its own negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.pretrain.distributed import average_gradients
from medcl.pretrain.methods import Batch, Method


def cached_backward(
    method: Method, views: Tensor, batch: Batch, chunk: int, small: Tensor | None = None
) -> dict[str, Tensor]:
    """Add the gradient of `method.loss(views, batch, small)` to the parameters, `chunk` scans at a time.

    All embeddings are computed without a graph; the loss gives the gradient of each; then each chunk is
    embedded again and its gradient is propagated. It costs one more forward pass. It is exact for networks
    that treat views one by one; batch norm sees one chunk at a time, as it does when gradients are
    accumulated, and dropout must be off.

    In several processes call it on the bare method, outside DistributedDataParallel's forward: gradients are
    averaged over processes here, once, so start from gradients that are zero or None.

    Args:
        method: The method, on the device and in the mode of the run.
        views: (B, 2, C, *spatial), the whole batch of this process.
        batch: Identities of the scans, step and epoch.
        chunk: Number of scans whose graph fits the memory.
        small: (B, S, C, *smaller), for methods with `multi_crop`.

    Returns:
        The loss and its parts, without gradient.
    """
    small_chunks = [None] * -(-len(views) // chunk) if small is None else small.split(chunk)
    chunks = list(zip(views.split(chunk), small_chunks, strict=True))
    with torch.no_grad():
        embeddings = torch.cat([method.embed_all(*views_of_chunk) for views_of_chunk in chunks])
    embeddings.requires_grad_()
    parts = method.compare(embeddings, batch)
    parts["loss"].backward()
    assert embeddings.grad is not None
    for views_of_chunk, gradient in zip(chunks, embeddings.grad.split(chunk), strict=True):
        method.embed_all(*views_of_chunk).backward(gradient)
    average_gradients(method)
    return {name: part.detach() for name, part in parts.items()}

"""Cached gradients: the exact gradient of a large contrastive batch in the memory of a small one.

Gao et al. 2021, arXiv 2101.06983. Accumulating the gradients of small batches does not do this: each would
know only its own negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.pretrain.distributed.collectives import average_gradients
from medcl.pretrain.methods.base import Batch, Method


def cached_backward(
    method: Method, views: Tensor, batch: Batch, chunk: int, small: Tensor | None = None
) -> dict[str, Tensor]:
    """Add the gradient of `method.loss(views, batch, small)` to the parameters, `chunk` scans at a time.

    All embeddings are computed without a graph; the loss gives the gradient at each; then each chunk is
    embedded again and takes its gradient back. It costs one more forward pass. It is exact for networks that
    treat views one by one; batch norm sees one chunk at a time, as it does when gradients are accumulated,
    and dropout must be off.

    In several processes call it on the bare method, outside DistributedDataParallel's forward: gradients are
    averaged over processes here, once, so start from gradients that are zero or None.

    Args:
        method: on views in its own device and mode.
        views: (B, 2, C, *spatial), this process's whole batch.
        batch: the facts about these scans.
        chunk: scans whose graph fits the memory.
        small: (B, S, C, *smaller), for methods with `multi_crop`.

    Returns:
        The loss and its parts, without gradient.
    """
    smaller = [None] * -(-len(views) // chunk) if small is None else small.split(chunk)
    pieces = list(zip(views.split(chunk), smaller, strict=True))
    with torch.no_grad():
        embeddings = torch.cat([method.embed_all(*piece) for piece in pieces])
    embeddings.requires_grad_()
    parts = method.compare(embeddings, batch)
    parts["loss"].backward()
    assert embeddings.grad is not None
    for piece, owed in zip(pieces, embeddings.grad.split(chunk), strict=True):
        method.embed_all(*piece).backward(owed)
    average_gradients(method)
    return {name: part.detach() for name, part in parts.items()}

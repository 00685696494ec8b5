"""The pretraining loop: view pairs in, encoder out, resumable at any step."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from medcl.config import load
from medcl.errors import UsageError, WorkFailed
from medcl.files import atomic, write_json, write_table, write_text
from medcl.pretrain.batchnorm import synchronise
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.encoders import build_encoder, save_encoder
from medcl.pretrain.hardware import launch
from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.monitors import verdict
from medcl.pretrain.optimisers import build_optimiser, cosine_rate
from medcl.progress import bar
from medcl.runs.folder import describe_run, exclusive, hash_file
from medcl.runs.signals import Interrupted, StopRequest, stop_requests
from medcl.store import Store
from medcl.views import ViewLoader, load_policy


def pretrain(config: PretrainConfig, run: Path, resume: bool = False) -> dict[str, Any]:
    """Pretrain an encoder and leave it, with everything needed to repeat the run, in `run`.

    Args:
        config: the run's configuration.
        run: a new folder; with `resume` one that an earlier call left unfinished.
        resume: go on from the last checkpoint; the configuration must be the same.

    Returns:
        The run's summary: steps, seconds, final loss, share of the time spent waiting for data.

    Raises:
        UsageError: the folder, configuration or store does not fit.
        WorkFailed: the loss stopped being finite; the scans of that batch are named in `failure.json`.
        Interrupted: asked to stop; a checkpoint was written first.
    """
    _check_folder(config, run, resume)
    fabric = launch(config.devices, config.precision, config.threads)
    training = Pretraining(fabric, config, run)
    with exclusive(run) if fabric.is_global_zero else nullcontext(), stop_requests() as stop:
        return training.train(stop)


def _check_folder(config: PretrainConfig, run: Path, resume: bool) -> None:
    if (run / "summary.json").is_file():
        raise UsageError(f"{run} is a finished run; name a new folder")
    begun = (run / "config.yaml").is_file()
    if begun and not resume:
        raise UsageError(f"{run} holds an unfinished run; add --resume to go on, or name a new folder")
    if resume and not begun:
        raise UsageError(f"{run}: nothing to resume there")
    if begun and load(run / "config.yaml", PretrainConfig) != config:
        raise UsageError(f"{run} was begun with another configuration; resume with {run / 'config.yaml'}")


class Pretraining:
    """State of one run: method, optimiser, data, and how far it is."""

    def __init__(self, fabric: Fabric, config: PretrainConfig, run: Path) -> None:
        self.fabric, self.config, self.run = fabric, config, run
        self.store = Store.open(config.store)
        self.loader = self._loader()
        encoder = build_encoder(config.encoder, config.seed)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            method = build_method(self._method_config(), encoder)
        synchronise(method, fabric.device.type)
        layout = torch.channels_last if config.encoder.spatial_dims == 2 else torch.channels_last_3d
        method.to(memory_format=layout)  # type: ignore[call-overload]
        optimiser = build_optimiser(method, config.optimiser, config.batch_size)
        self.peak_rates = [group["lr"] for group in optimiser.param_groups]
        self.encoder, self.method = encoder, method
        self.wrapped, self.optimiser = fabric.setup(method, optimiser)
        self.steps = config.epochs * len(self.loader)
        self.step = 0
        self.seconds = 0.0
        self.metrics: list[dict[str, float]] = []

    def _method_config(self) -> Any:
        """Return the method's settings, with MoCo's queue no longer than these scans allow."""
        method, scans = self.config.method, len(self.loader.rows)
        return method.clamped(scans, self.config.batch_size) if isinstance(method, MoCoConfig) else method

    def _loader(self) -> ViewLoader:
        config, views = self.config, self.config.views
        rows = [row for split in config.splits for row in self.store.rows(split)]
        if len(rows) < config.batch_size:
            raise UsageError(
                f"{config.store}: {len(rows)} scans to pretrain on, fewer than "
                f"batch_size={config.batch_size}; lower batch_size"
            )
        return ViewLoader(
            self.store,
            rows,
            load_policy(views.policy, views.variant),
            size=views.size_px,
            batch_size=config.batch_size // self.fabric.world_size,
            seed=config.seed,
            draw="pair",
            rank=self.fabric.global_rank,
            world_size=self.fabric.world_size,
        )

    def train(self, stop: StopRequest) -> dict[str, Any]:
        """Run to the end of the last epoch, or to a stop request."""
        self._restore()
        writer = SummaryWriter(self.run / "events") if self.fabric.is_global_zero else None
        saved = time.monotonic()
        progress = bar("pretrain", self.steps, self.step, "step")
        try:
            while self.step < self.steps:
                epoch, start = divmod(self.step, len(self.loader))
                self.loader.set_epoch(epoch, start)
                for batch in self.loader:
                    self._train_step(batch, epoch, writer, progress)
                    due = time.monotonic() - saved > self.config.checkpoint_every_s
                    if due or stop.number is not None:
                        self._save()
                        saved = time.monotonic()
                    if stop.number is not None:
                        raise Interrupted(
                            f"stopped at step {self.step} and saved; resume to go on", stop.number
                        )
        finally:
            progress.close()
            if writer is not None:
                writer.close()
        return self._finish()

    def _train_step(self, batch: Any, epoch: int, writer: SummaryWriter | None, progress: tqdm) -> None:
        begun = time.monotonic()
        rate = cosine_rate(self.step, self.steps, self.config.optimiser.warmup_epochs * len(self.loader))
        for group, peak in zip(self.optimiser.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * rate
        views = self.fabric.to_device(batch.data)
        parts = self.wrapped(views, self._batch(batch.rows, epoch))
        self._guard(parts["loss"], batch.rows)
        self.optimiser.zero_grad()
        self.fabric.backward(parts["loss"])
        self.optimiser.step()
        self.step += 1
        self.method.after_step(self.step / self.steps)
        self.seconds += time.monotonic() - begun + batch.wait_s
        row = {"step": self.step, "epoch": epoch, "lr": self.optimiser.param_groups[0]["lr"]}
        row |= {name: float(value.detach()) for name, value in parts.items()} | {"wait_s": batch.wait_s}
        self.metrics.append(row | {"seconds": self.seconds})
        progress.update()
        progress.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
        if writer is not None:
            for name, value in row.items():
                writer.add_scalar(f"pretrain/{name}", value, self.step)

    def _batch(self, rows: Tensor, epoch: int) -> Batch:
        scan, patient = (self.fabric.to_device(torch.as_tensor(codes[rows.numpy()])) for codes in self._same)
        return Batch(scan=scan, patient=patient, step=self.step, epoch=epoch)

    @cached_property
    def _same(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers that are equal for exact copies, and for scans of one patient."""
        scans = self.store.scans
        return pd.factorize(scans["fingerprint"])[0], pd.factorize(scans["patient"])[0]

    def _guard(self, loss: Tensor, rows: Tensor) -> None:
        """Stop before a loss that is not finite reaches the weights."""
        if torch.isfinite(loss):
            return
        scans = self.store.scans["scan"].iloc[rows.numpy()].tolist()
        write_json({"step": self.step, "loss": str(loss.item()), "scans": scans}, self.run / "failure.json")
        raise WorkFailed(
            f"the loss is {loss.item()} at step {self.step}; lower optimiser.lr_per_256 "
            f"(the batch's scans are in {self.run / 'failure.json'})"
        )

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        if self.fabric.is_global_zero:
            write_table(pd.DataFrame(self.metrics), self.run / "metrics.parquet")
            with atomic(self.run / "checkpoint.pt") as temporary:
                torch.save(state, temporary)
        self.fabric.barrier()

    def _restore(self) -> None:
        checkpoint = self.run / "checkpoint.pt"
        if checkpoint.is_file():
            state = torch.load(checkpoint, map_location=self.fabric.device, weights_only=True)
            self.method.load_state_dict(state["method"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]
            logged = pd.read_parquet(self.run / "metrics.parquet")
            self.metrics = logged[logged["step"] <= self.step].to_dict("records")
        elif self.fabric.is_global_zero and not (self.run / "config.yaml").is_file():
            policy = self.loader.policy
            stores = hash_file(self.config.store / "scans.parquet")
            describe_run(self.run, self.config, {"store": stores, "policy": policy.digest()})

    def _finish(self) -> dict[str, Any]:
        waiting = sum(row["wait_s"] for row in self.metrics)
        collapsed = verdict(self.metrics[-1])
        summary = {
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "scans": len(self.loader.rows),
            "final_loss": self.metrics[-1]["loss"],
            "waiting_share": round(waiting / max(self.seconds, 1e-9), 4),
            "device": str(self.fabric.device),
            "collapsed": collapsed,
        }
        if self.fabric.is_global_zero:
            write_text(pd.DataFrame(self.metrics).to_csv(index=False), self.run / "metrics.csv")
            save_encoder(self.encoder, self.run / "encoder.safetensors")
            write_json(summary, self.run / "summary.json")
            for spent in ("checkpoint.pt", "metrics.parquet"):
                (self.run / spent).unlink(missing_ok=True)
        self.fabric.barrier()
        return summary

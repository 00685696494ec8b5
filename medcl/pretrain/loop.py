"""The pretraining loop: view pairs in, encoder out, resumable at any step."""

from __future__ import annotations

import math
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor

from medcl.config import load
from medcl.errors import Interrupted, UsageError, WorkFailed
from medcl.files import atomic, write_json
from medcl.pretrain.compiling import compile_if_faster
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.data import Scans
from medcl.pretrain.distributed.batchnorm import synchronize
from medcl.pretrain.distributed.collectives import average, gather
from medcl.pretrain.distributed.launch import channels_last, launch, restarted
from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch, MethodConfig, build_method
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.monitor.log import RunLog
from medcl.pretrain.monitor.measures import verdict
from medcl.pretrain.monitor.monitor_set import MonitorSet
from medcl.pretrain.networks.encoders import build_encoder, save_encoder
from medcl.pretrain.networks.external_weights import load_external_weights
from medcl.pretrain.optimizers import build_optimizer, cosine_rate
from medcl.runs.folder import describe_run, exclusive, hash_file
from medcl.runs.signals import StopRequest, stop_requests
from medcl.views.loader import ViewBatch


def pretrain(config: PretrainConfig, run: Path, resume: bool = False) -> dict[str, Any]:
    """Pretrain an encoder and leave it, with everything needed to repeat the run, in `run`.

    Args:
        config: the run's configuration.
        run: a new folder; with `resume` one that an earlier call left unfinished.
        resume: go on from the last checkpoint; the configuration must be the same. A process that `torchrun`
            or SLURM has restarted resumes unasked.

    Returns:
        The run's summary: steps, seconds, final loss, share of the time spent waiting for data.

    Raises:
        UsageError: the folder, configuration or store does not fit.
        WorkFailed: the loss stopped being finite (the scans of that batch are named in `failure.json`), or
            the features collapsed and the configuration asks to stop then.
        Interrupted: asked to stop; a checkpoint was written first.
    """
    fabric = launch(config.devices, config.precision, config.threads)
    _check_folder(config, run, resume)
    fabric.barrier()
    training = Pretraining(fabric, config, run)
    alone = exclusive(run) if fabric.is_global_zero else nullcontext()
    with alone, stop_requests() as stop, torch.random.fork_rng():
        return training.train(stop)


def _check_folder(config: PretrainConfig, run: Path, resume: bool) -> None:
    if (run / "summary.json").is_file():
        raise UsageError(f"{run} is a finished run; name a new folder")
    begun = (run / "config.yaml").is_file()
    if begun and not (resume or restarted()):
        raise UsageError(f"{run} holds an unfinished run; add --resume to go on, or name a new folder")
    if resume and not begun:
        raise UsageError(f"{run}: nothing to resume there")
    if begun and load(run / "config.yaml", PretrainConfig) != config:
        raise UsageError(f"{run} was begun with another configuration; resume with {run / 'config.yaml'}")


class Pretraining:
    """State of one run: method, optimizer, data, and how far it is."""

    def __init__(self, fabric: Fabric, config: PretrainConfig, run: Path) -> None:
        self.fabric, self.config, self.run = fabric, config, run
        self.scans = Scans(config, fabric.global_rank, fabric.world_size)
        self.loader = self.scans.training()
        self.watch = self._watch()
        self.encoder = build_encoder(config.encoder, config.seed)
        outside = config.initial_weights
        self.matched = load_external_weights(self.encoder, outside) if outside is not None else None
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            method = build_method(self._method_config(), self.encoder)
        synchronize(method, fabric.device.type)
        channels_last(method)
        optimizer = build_optimizer(method, config.optimizer, config.batch_size)
        self.peak_rates = [group["lr"] for group in optimizer.param_groups]
        self.method = method
        self.wrapped, self.optimizer = fabric.setup(method, optimizer)
        self.steps = config.epochs * len(self.loader)
        self.step, self.seconds = 0, 0.0
        self.compiled: bool | None = None
        self.rows: list[dict[str, float]] = []

    def _method_config(self) -> MethodConfig:
        """Return the method's settings, with MoCo's queue no longer than these scans allow."""
        method, scans = self.config.method, len(self.scans.rows)
        return method.clamped(scans, self.config.batch_size) if isinstance(method, MoCoConfig) else method

    def _watch(self) -> MonitorSet | None:
        loader, monitor = self.scans.monitored(), self.config.monitor
        if loader is None or monitor is None:
            return None
        labels = self.scans.labels(loader.rows) if monitor.labeled else None
        return MonitorSet(loader, labels, self.fabric.to_device)

    def train(self, stop: StopRequest) -> dict[str, Any]:
        """Run to the end of the last epoch, or to a stop request."""
        self._restore()
        self.log = RunLog(self.run, self.steps, self.rows, self.fabric.is_global_zero)
        try:
            if self.matched is not None:
                self.log.say(str(self.matched))
            self._compile()
            saved = time.monotonic()
            for batch in self.loader.steps(self.step, self.steps):
                epoch = self.step // len(self.loader)
                due = time.monotonic() - saved > self.config.checkpoint_every_s
                asked = self._train_step(batch, epoch, {"due": due, "stop": stop.number is not None})
                if self.step % len(self.loader) == 0:
                    self._end_epoch(epoch + 1)
                if any(asked.values()):
                    self._save()
                    saved = time.monotonic()
                if asked["stop"]:
                    told = f"stopped at step {self.step} and saved; resume to go on"
                    raise Interrupted(told, stop.number or signal.SIGTERM)
        finally:
            self.log.close()
        return self._finish()

    def _train_step(self, batch: ViewBatch, epoch: int, asked: dict[str, bool]) -> dict[str, bool]:
        """Take one step; return what any of the processes asks for."""
        begun = time.monotonic()
        rate = cosine_rate(self.step, self.steps, self.config.optimizer.warmup_epochs * len(self.loader))
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * rate
        # What is random in a step, such as dropout, depends on nothing before it, so that it can be repeated.
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * 1_009 + self.fabric.global_rank)
        self.optimizer.zero_grad()
        parts = {name: float(part.detach()) for name, part in self._backward(batch, epoch).items()}
        told = average(parts | {name: float(flag) for name, flag in asked.items()}, self.fabric.device)
        norm = self._clip()
        self._guard(told["loss"], norm, batch.rows)
        self.optimizer.step()
        self.step += 1
        self.method.on_step_end(self.step / self.steps)
        self.seconds += time.monotonic() - begun + batch.wait_s
        row = {"step": self.step, "epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]}
        row |= {name: told[name] for name in parts} | {"gradient_norm": norm}
        self.log.add(row | {"wait_s": batch.wait_s, "seconds": self.seconds})
        return {name: told[name] > 0 for name in asked}

    def _backward(self, batch: ViewBatch, epoch: int) -> dict[str, Tensor]:
        """Give every parameter its gradient, averaged over processes; return the loss and its parts."""
        scan, patient = map(self.fabric.to_device, self.scans.identity(batch.rows))
        facts = Batch(scan=scan, patient=patient, step=self.step, epoch=epoch)
        views = self.fabric.to_device(batch.data)
        small = None if batch.small is None else self.fabric.to_device(batch.small)
        if self.config.cached_chunk is not None:
            with self.fabric.autocast():
                return cached_backward(self.method, views, facts, self.config.cached_chunk, small)
        parts: dict[str, Tensor] = self.wrapped(views, facts, small)
        self.fabric.backward(parts["loss"])
        return parts

    def _clip(self) -> float:
        """Shorten the gradient where that is asked for; return the length that it had."""
        gradients = [p for p in self.method.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in gradients if p.grad is not None])
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(gradients, self.config.clip_norm, norm)
        return float(norm)

    def _guard(self, loss: float, norm: float, rows: Tensor) -> None:
        """Stop before a loss or gradient that is not finite reaches the weights."""
        if math.isfinite(loss) and math.isfinite(norm):
            return
        scans = self.scans.names(gather(self.fabric.to_device(rows)))
        self._fail(
            f"the loss is {loss} and its gradient's length {norm} at step {self.step}; lower "
            f"optimizer.lr_per_256 (the batch's scans are in {self.run / 'failure.json'})",
            {"loss": str(loss), "scans": scans},
        )

    def _fail(self, message: str, facts: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            write_json({"step": self.step, **facts}, self.run / "failure.json")
        raise WorkFailed(message)

    def _end_epoch(self, done: int) -> None:
        """Measure the features where it is time to, and say so when they have collapsed."""
        monitor = self.config.monitor
        if monitor is None or (done % monitor.every_epochs and done < self.config.epochs):
            return
        told = None
        if self.watch is not None and self.fabric.is_global_zero:
            measures, picture = self.watch.look(self.encoder)
            self.log.add_measures(measures, picture)
            told = verdict(self.log.rows[-1])
        told = self.fabric.broadcast(told)
        if told is None or done <= self.config.optimizer.warmup_epochs:
            return
        self.log.say(f"epoch {done}: {told}")
        if monitor.stop:
            self._fail(
                f"{told} after epoch {done}; the run stopped as monitor.stop asks", {"collapsed": told}
            )

    def _compile(self) -> None:
        """Compile the encoder if that is asked for and pays; a resumed run keeps to what was decided."""
        if not self.config.compile:
            return
        if self.compiled is None:
            batch = self.loader.batch(np.arange(self.loader.batch_size), 0)
            with self.fabric.autocast():
                views = self.fabric.to_device(batch.data).flatten(0, 1)
                self.compiled, told = self.fabric.broadcast(compile_if_faster(self.encoder, views))
            self.log.say(told)
        if self.compiled:
            self.encoder.compile()

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "compiled": self.compiled,
        }
        if self.fabric.is_global_zero:
            self.log.save("metrics.parquet")
            with atomic(self.run / "checkpoint.pt") as temporary:
                torch.save(state, temporary)
        self.fabric.barrier()

    def _restore(self) -> None:
        checkpoint = self.run / "checkpoint.pt"
        if checkpoint.is_file():
            state = torch.load(checkpoint, map_location=self.fabric.device, weights_only=True)
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds, self.compiled = state["step"], state["seconds"], state.get("compiled")
            logged = pd.read_parquet(self.run / "metrics.parquet")
            self.rows = logged[logged["step"] <= self.step].to_dict("records")
        elif self.fabric.is_global_zero and not (self.run / "config.yaml").is_file():
            policy = self.loader.policy
            stores = hash_file(self.config.store / "scans.parquet")
            describe_run(self.run, self.config, {"store": stores, "policy": policy.digest()})
            if self.matched is not None:
                write_json(self.matched.facts(), self.run / "initial_weights.json")

    def _finish(self) -> dict[str, Any]:
        rows = self.log.rows
        summary = {
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "scans": len(self.loader.rows),
            "final_loss": rows[-1]["loss"],
            "waiting_share": round(sum(row["wait_s"] for row in rows) / max(self.seconds, 1e-9), 4),
            "device": str(self.fabric.device),
            "collapsed": verdict(rows[-1]),
        }
        if self.fabric.is_global_zero:
            self.log.save("metrics.csv")
            save_encoder(self.encoder, self.run / "encoder.safetensors")
            write_json(summary, self.run / "summary.json")
            for spent in ("checkpoint.pt", "metrics.parquet"):
                (self.run / spent).unlink(missing_ok=True)
        self.fabric.barrier()
        return summary

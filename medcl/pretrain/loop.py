"""The pretraining loop: view pairs in, encoder out, resumable at any step."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from medcl.config import load
from medcl.errors import Interrupted, UsageError, WorkFailed
from medcl.files import atomic, write_json
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.data import TrainingData
from medcl.pretrain.distributed import channels_last, gather, launch, restarted, synchronize_batch_norm
from medcl.pretrain.gradient_cache import cached_backward
from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.monitor import MonitorSet, RunLog, collapse_message
from medcl.pretrain.networks import build_encoder, load_external_weights, save_encoder
from medcl.pretrain.optimizers import build_optimizer, cosine_rate
from medcl.pretrain.readings import Reading, Readings, StepRecord
from medcl.runs import StopRequest, describe_run, exclusive, hash_file, stop_requests
from medcl.views import ViewBatch


def pretrain(config: PretrainConfig, run: Path, resume: bool = False) -> dict[str, Any]:
    """Pretrain an encoder into the folder `run`, together with everything needed to repeat the run.

    Args:
        config: Configuration of the run.
        run: A new folder; with `resume` one that an earlier call left unfinished.
        resume: Continue from the last checkpoint; the configuration must be the same. A process that
            `torchrun` or SLURM has restarted always resumes.

    Returns:
        The run's summary: steps, seconds, final loss, share of the time spent waiting for data.

    Raises:
        UsageError: The folder, configuration or store does not fit.
        WorkFailed: The loss is not finite (the scans of that batch are named in `failure.json`), or the
            features collapsed and the configuration asks to stop then.
        Interrupted: A stop was requested; a checkpoint was written first.
    """
    fabric = launch(config.devices, config.precision, config.threads)
    _check_folder(config, run, resume)
    fabric.barrier()
    training = Pretraining(fabric, config, run)
    lock = exclusive(run) if fabric.is_global_zero else nullcontext()
    with lock, stop_requests() as stop, torch.random.fork_rng():
        return training.train(stop)


def _check_folder(config: PretrainConfig, run: Path, resume: bool) -> None:
    if (run / "summary.json").is_file():
        raise UsageError(f"{run} is a finished run; name a new folder")
    started = (run / "config.yaml").is_file()
    if started and not (resume or restarted()):
        raise UsageError(f"{run} holds an unfinished run; add --resume to continue it, or name a new folder")
    if resume and not started:
        raise UsageError(f"{run}: no run to resume there; start it without --resume")
    if started and load(run / "config.yaml", PretrainConfig) != config:
        raise UsageError(f"{run} was started with another configuration; resume with {run / 'config.yaml'}")


class Pretraining:
    """State of one run: method, optimizer, data and progress.

    Args:
        fabric: Processes and devices of the run.
        config: Configuration of the run.
        run: Folder of the run.
    """

    def __init__(self, fabric: Fabric, config: PretrainConfig, run: Path) -> None:
        self.fabric, self.config, self.run = fabric, config, run
        self.data = TrainingData(config, fabric.global_rank, fabric.world_size)
        self.loader = self.data.training_loader()
        self.monitor_set = self._build_monitor_set()
        self.encoder = build_encoder(config.encoder, config.seed)
        path = config.initial_weights
        self.loaded_weights = load_external_weights(self.encoder, path) if path is not None else None
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            method_config = config.method.limited(len(self.data.rows), config.batch_size)
            method = build_method(method_config, self.encoder)
        synchronize_batch_norm(method, fabric.device.type)
        channels_last(method)
        optimizer = build_optimizer(method, config.optimizer, config.batch_size)
        self.peak_rates = [group["lr"] for group in optimizer.param_groups]
        self.method = method
        self.wrapped, self.optimizer = fabric.setup(method, optimizer)
        self.steps = config.epochs * len(self.loader)
        self.step, self.seconds, self.waited = 0, 0.0, 0.0
        self.last_row: dict[str, float] = {}
        self.readings = Readings(fabric.device)

    def _build_monitor_set(self) -> MonitorSet | None:
        loader, monitor = self.data.monitor_loader(), self.config.monitor
        if loader is None or monitor is None:
            return None
        labels = self.data.labels(loader.rows) if monitor.labeled else None
        return MonitorSet(loader, labels, self.fabric.to_device)

    def train(self, stop: StopRequest) -> dict[str, Any]:
        """Train to the end of the last epoch, or to a stop request; return the summary.

        Raises:
            WorkFailed: The loss is not finite, or the features collapsed.
            Interrupted: A stop was requested.
        """
        self._restore()
        measures = () if self.monitor_set is None else self.monitor_set.names
        self.log = RunLog(self.run, self.steps, self.last_row, measures, self.fabric.is_global_zero)
        try:
            if self.loaded_weights is not None:
                self.log.print(str(self.loaded_weights))
            last_save = time.monotonic()
            for batch in self.loader.steps(self.step, self.steps):
                epoch = self.step // len(self.loader)
                due = time.monotonic() - last_save > self.config.checkpoint_every_s
                requests = self.train_step(batch, epoch, {"due": due, "stop": stop.number is not None})
                if self.step % len(self.loader) == 0:
                    self._end_epoch(epoch + 1)
                if requests:
                    self._save()
                    last_save = time.monotonic()
                if "stop" in requests:
                    message = f"stopped at step {self.step} and saved; continue with --resume"
                    raise Interrupted(message, stop.number or signal.SIGTERM)
            self._log(self.readings.drain())
        finally:
            self.log.close()
        return self._finish()

    def train_step(self, batch: ViewBatch, epoch: int, requests: dict[str, bool]) -> set[str]:
        """Take one step; return the requests that any process made in the steps that were read meanwhile.

        Args:
            batch: Views of this process's scans.
            epoch: Epochs already completed.
            requests: This process's requests: whether a checkpoint is due, and whether to stop.

        Raises:
            WorkFailed: A loss or gradient was not finite.
        """
        start = time.monotonic()
        rate = cosine_rate(self.step, self.steps, self.config.optimizer.warmup_epochs * len(self.loader))
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * rate
        # What is random in a step, such as dropout, depends on nothing before it, so that it can be repeated.
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * 1_009 + self.fabric.global_rank)
        self.optimizer.zero_grad()
        values = self.backward(batch, epoch)
        values["gradient_norm"] = self._clip_gradients()
        record = StepRecord(
            step=self.step + 1,
            epoch=epoch,
            lr=self.optimizer.param_groups[0]["lr"],
            wait_s=batch.wait_s,
            seconds=self.seconds + time.monotonic() - start + batch.wait_s,
            rows=batch.rows,
        )
        requested = self._log(self.readings.add(record, values, requests))
        self.optimizer.step()
        self.step += 1
        self.method.on_step_end(self.step / self.steps)
        self.seconds += time.monotonic() - start + batch.wait_s
        return requested

    def _log(self, readings: Iterable[Reading]) -> set[str]:
        """Check and log what was read of steps; return the requests of any process."""
        requested: set[str] = set()
        for record, values, requests in readings:
            self._check_finite(record, values["loss"], values["gradient_norm"])
            self.waited += record.wait_s
            row = {"step": record.step, "epoch": record.epoch, "lr": record.lr, **values}
            self.log.add_step(row | {"wait_s": record.wait_s, "seconds": record.seconds})
            requested |= requests
        return requested

    def backward(self, batch: ViewBatch, epoch: int) -> dict[str, Tensor]:
        """Give every parameter its gradient, averaged over processes; return the loss and its parts."""
        scan, patient = self.fabric.to_device(self.data.identity(batch.rows)).unbind(1)
        identity = Batch(scan=scan, patient=patient, step=self.step, epoch=epoch)
        views = self.fabric.to_device(batch.data)
        small = None if batch.small is None else self.fabric.to_device(batch.small)
        if self.config.cached_chunk is not None:
            with self.fabric.autocast():
                return cached_backward(self.method, views, identity, self.config.cached_chunk, small)
        parts: dict[str, Tensor] = self.wrapped(views, identity, small)
        self.fabric.backward(parts["loss"])
        return parts

    def _clip_gradients(self) -> Tensor:
        """Clip the gradient if `clip_norm` is set; return its norm before clipping."""
        parameters = [p for p in self.method.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, norm)
        return norm

    def _check_finite(self, record: StepRecord, loss: float, norm: float) -> None:
        """End the run at a loss or gradient that is not finite: on a CPU before it reaches the weights.

        On a GPU it may have reached them, but never a checkpoint: steps are read before one is written.
        """
        if math.isfinite(loss) and math.isfinite(norm):
            return
        step = record.step - 1
        scans = self.data.scan_names(gather(self.fabric.to_device(record.rows)))
        self._fail(
            f"the loss is {loss} and its gradient norm {norm} at step {step}; lower "
            f"optimizer.lr_per_256 (the batch's scans are in {self.run / 'failure.json'})",
            {"step": step, "loss": str(loss), "scans": scans},
        )

    def _fail(self, message: str, details: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            write_json(details, self.run / "failure.json")
        raise WorkFailed(message)

    def _end_epoch(self, epochs_done: int) -> None:
        """Measure the features if it is time to, and report their collapse."""
        monitor = self.config.monitor
        if monitor is None or (epochs_done % monitor.every_epochs and epochs_done < self.config.epochs):
            return
        self._log(self.readings.drain())
        message = None
        if self.monitor_set is not None and self.fabric.is_global_zero:
            measures, figure = self.monitor_set.measure(self.encoder)
            self.log.add_measures(measures, figure)
            message = collapse_message(self.log.row)
        message = self.fabric.broadcast(message)
        if message is None or epochs_done <= self.config.optimizer.warmup_epochs:
            return
        self.log.print(f"epoch {epochs_done}: {message}")
        if monitor.stop:
            self._fail(
                f"{message} after epoch {epochs_done}; stopped because monitor.stop is set",
                {"step": self.step, "collapsed": message},
            )

    def _save(self) -> None:
        """Write a checkpoint, once all steps before it were read and found finite."""
        self._log(self.readings.drain())
        state = {
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "waited": self.waited,
            "row": self.log.row,
        }
        if self.fabric.is_global_zero:
            self.log.flush()
            with atomic(self.run / "checkpoint.pt") as temporary:
                torch.save(state, temporary)
        self.fabric.barrier()

    def _restore(self) -> None:
        """Continue from the checkpoint if there is one; otherwise describe the new run in its folder."""
        checkpoint = self.run / "checkpoint.pt"
        if checkpoint.is_file():
            state = torch.load(checkpoint, map_location=self.fabric.device, weights_only=True)
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.waited, self.last_row = state["waited"], state["row"]
        elif self.fabric.is_global_zero and not (self.run / "config.yaml").is_file():
            policy = self.loader.policy
            store_hash = hash_file(self.config.store / "scans.arrow")
            describe_run(self.run, self.config, {"store": store_hash, "policy": policy.digest()})
            if self.loaded_weights is not None:
                write_json(self.loaded_weights.as_dict(), self.run / "initial_weights.json")

    def _finish(self) -> dict[str, Any]:
        """Write the encoder and the summary; remove the checkpoint."""
        summary = {
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "scans": len(self.loader.rows),
            "final_loss": self.log.row["loss"],
            "waiting_share": round(self.waited / max(self.seconds, 1e-9), 4),
            "device": str(self.fabric.device),
            "collapsed": collapse_message(self.log.row),
        }
        if self.fabric.is_global_zero:
            save_encoder(self.encoder, self.run / "encoder.safetensors")
            write_json(summary, self.run / "summary.json")
            (self.run / "checkpoint.pt").unlink(missing_ok=True)
        self.fabric.barrier()
        return summary

#!/bin/bash
# Pretrain on GPUs of one node or several:
#
#   sbatch --nodes=2 --gpus-per-node=8 configs/slurm/pretrain.sh CONFIG RUN [KEY=VALUE]...
#
# The store must lie on a disk that all nodes share; every process maps it and reads its own share of each batch.
# `batch_size` is that of all GPUs together and must be a multiple of their number. A process that dies is
# started again with all others from the last checkpoint, and so is a job that SLURM preempts and requeues.
#SBATCH --job-name=medcl-pretrain
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

config=$1 run=$2
shift 2
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes%%$'\n'*} # no pipe: one that closes early would end the script

srun torchrun \
    --nnodes="$SLURM_NNODES" \
    --nproc-per-node="$SLURM_GPUS_ON_NODE" \
    --rdzv-id="$SLURM_JOB_ID" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="$head:$((20000 + SLURM_JOB_ID % 20000))" \
    --max-restarts=3 \
    -m medcl pretrain "$config" -o "$run" "$@"

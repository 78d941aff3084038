#!/bin/bash
# A study on the machines of a Slurm job: sbatch deploy/slurm.sh temperature
#
# Ray starts on every machine, the command runs on the first one, and Ray stops with it. The folder of runs is on a drive that the
# first machine keeps after the job; the app, started anywhere with the same KD_RUNS, shows the study live.
#SBATCH --job-name=kdcore
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@120
set -euo pipefail
study=${1:?which study: sbatch deploy/slurm.sh NAME}
export KD_RUNS=${KD_RUNS:-$HOME/kdcore/runs} KD_DATA=${KD_DATA:-$HOME/kdcore/data}

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun --kill-on-bad-exit=0 ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" -- \
    python -m kdcore study "$study" --on ray --address auto --cpus 8

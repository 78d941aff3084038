#!/bin/bash
# A study on the machines of a Slurm job: sbatch deploy/slurm.sh temperature
#
# Ray starts on every machine, the command runs on the first one, and Ray ends with the job. The folder of runs is on a drive that the
# first machine keeps after the job; the app, started anywhere with the same KD_RUNS, shows the study live.
#SBATCH --job-name=kdcore
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@120
set -euo pipefail
set -m  # else the command, in the background, would ignore the signal that stops it
study=${1:?which study: sbatch deploy/slurm.sh NAME}
export KD_RUNS=${KD_RUNS:-$HOME/kdcore/runs} KD_DATA=${KD_DATA:-$HOME/kdcore/data}

address=$(hostname):6379
# srun gives a step one processor, unless it is asked for more
on=(srun --ntasks-per-node=1 "--cpus-per-task=$SLURM_CPUS_PER_TASK")
has=(--num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" --block)
"${on[@]}" --nodes=1 --nodelist="$(hostname)" ray start --head --port 6379 "${has[@]}" &
until ray health-check --address "$address" > /dev/null 2>&1; do sleep 1; done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    "${on[@]}" --nodes=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$(hostname)" ray start --address "$address" "${has[@]}" &
fi

# Slurm signals this script alone, two minutes before the end: the runs stop with a checkpoint, and `study resume` goes on
python -m kdcore study "$study" --on ray --address "$address" --cpus 8 &
command=$!
trap 'kill -INT "$command"' INT
status=0
while kill -0 "$command" 2> /dev/null; do
    status=0
    wait "$command" || status=$?
done
exit "$status"

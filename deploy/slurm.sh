#!/bin/bash
# A study on the machines of a Slurm job: sbatch deploy/slurm.sh temperature; in a later job: sbatch deploy/slurm.sh resume ID
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
#SBATCH --no-requeue
set -euo pipefail
set -m  # else the command, in the background, would ignore the signal that stops it
: "${1:?which study: sbatch deploy/slurm.sh NAME, or resume ID}"
export KD_RUNS=${KD_RUNS:-$HOME/kdcore/runs} KD_DATA=${KD_DATA:-$HOME/kdcore/data}

first=${SLURMD_NODENAME:-$(hostname -s)}    # as Slurm calls it; hostname may add a domain
port=$((20000 + SLURM_JOB_ID % 10000))      # of this job alone: a machine may have another one's Ray
address=$first:$port
# Only who has this token may use the job's Ray; srun and the command below inherit it. Without a mode of its own, `ray health-check`
# is refused wherever a token lies in ~/.ray
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN
# srun gives a step one processor, unless it is asked for more
on=(srun --ntasks-per-node=1 "--cpus-per-task=$SLURM_CPUS_PER_TASK")
has=(--num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" --block)
"${on[@]}" --nodes=1 --nodelist="$first" ray start --head --port "$port" "${has[@]}" &
head=$!
until ray health-check --address "$address" > /dev/null 2>&1; do
    kill -0 "$head" 2> /dev/null || { echo "Ray has ended on $first before it answered at $address." >&2; exit 1; }
    sleep 1
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    "${on[@]}" --nodes=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$first" ray start --address "$address" "${has[@]}" &
fi

# Slurm signals this script alone, two minutes before the end: the runs stop with a checkpoint, and `study resume` goes on.
# SIGTERM comes from scancel --batch, and where a job is preempted.
python -m kdcore study "$@" --on ray --address "$address" --cpus 8 &
command=$!
trap 'kill -INT "$command"' INT TERM
status=0
while kill -0 "$command" 2> /dev/null; do
    status=0
    wait "$command" || status=$?
done
exit "$status"

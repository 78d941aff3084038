"""The container, the Space and the scripts for clusters: checked by a linter and by what they name, since a test cannot build them."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from kdcore.cli.arguments import rewritten
from kdcore.cli.main import app
from kdcore.paths import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
DEPLOY = PROJECT / "deploy"
LINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def instructions() -> list[list[str]]:
    """Each instruction of the Dockerfile in words, without comments, its continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def copied() -> list[str]:
    """What the Dockerfile copies from the project."""
    return [
        word for name, *words in instructions() if name == "COPY" for word in words[:-1] if not word.startswith("--")
    ]


@pytest.mark.skipif(LINT is None, reason="hadolint is missing (requirements.txt)")
def test_the_linter_finds_nothing():
    found = subprocess.run([LINT, str(PROJECT / "Dockerfile")], capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("", 0)


def test_what_it_copies_is_there_and_not_ignored():
    rules = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[0] == "**"
    for name in copied():
        name = name.removeprefix("./")
        assert (PROJECT / name).exists(), name
        assert any(fnmatch(name, each) or each.startswith(f"{name}/") for each in kept), f"{name} is ignored"
    assert not [each for each in kept if not (PROJECT / each).exists()]


def test_the_process_is_an_ordinary_user_s_and_its_folders_are_that_user_s():
    users = [words[1] for words in instructions() if words[0] == "USER"]
    assert users == ["1000"]
    order = [words[0] for words in instructions()]
    assert order.index("USER") < order.index("CMD")
    assert "--uid 1000" in DOCKERFILE
    assert "chown -R kd:kd /work" in DOCKERFILE
    assert "KD_RUNS=/work/runs KD_DATA=/work/data" in DOCKERFILE


def test_packages_for_development_stay_out(tmp_path):
    kept = subprocess.run(
        ["sed", "/^# Development/,$d", "requirements.txt"], capture_output=True, text=True, cwd=PROJECT, check=True
    ).stdout
    assert re.search(r"^torch==", kept, re.MULTILINE)
    assert re.search(r"^streamlit==", kept, re.MULTILINE)
    assert "pytest" not in kept
    assert "ruff" not in kept


def test_the_image_for_clusters_has_what_kuberay_calls_in_a_pod():
    """`wget` for the health of a pod, without which it is restarted again and again, and `ray job submit` with its dashboard."""
    (step,) = [words for words in instructions() if words[0] == "RUN" and "apt-get" in words]
    assert {'"$CLUSTER"', "wget"} <= set(step)
    assert re.search(r"^ray\[default\]==", (PROJECT / "requirements-cluster.txt").read_text(), re.MULTILINE)
    job = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text().partition("---\n")[2]))["spec"]
    assert job.keys() == {"entrypoint", "shutdownAfterJobFinishes", "rayClusterSpec"}
    cluster = job["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {each["name"] for each in pod["volumes"]}
        mounted = {each["name"] for container in pod["containers"] for each in container["volumeMounts"]}
        assert mounted == volumes


def test_the_space_has_all_that_its_dockerfile_copies_and_opens_its_port(tmp_path):
    subprocess.run([DEPLOY / "space" / "make.sh", tmp_path], check=True, capture_output=True)
    for name in (*copied(), "Dockerfile", ".dockerignore"):
        assert (tmp_path / name).exists(), name
    assert not list(tmp_path.rglob("__pycache__"))
    _, header, body = (tmp_path / "README.md").read_text().split("---\n", 2)
    plain = yaml.safe_load(header)
    (port,) = (words[1] for words in instructions() if words[0] == "EXPOSE")
    assert (plain["sdk"], plain["app_port"], plain["license"]) == ("docker", int(port), "mit")
    assert len(plain["short_description"]) <= 60
    assert body.strip()


@pytest.mark.parametrize("script", ["start.sh", "slurm.sh", "space/make.sh"])
def test_scripts_are_executable_and_parse(script):
    path = DEPLOY / script
    assert os.access(path, os.X_OK)
    shell = "bash" if path.read_text().startswith("#!/bin/bash") else "sh"
    assert subprocess.run([shell, "-n", path], capture_output=True, text=True).stderr == ""


def test_the_start_script_takes_the_host_of_a_space(tmp_path):
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$KD_HOSTS $*"\n')
    fake.chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PORT": "8501",
        "KD_RUNS": f"{tmp_path}/runs",
        "KD_DATA": f"{tmp_path}/data",
    }
    for more, hosts in (
        (({"SPACE_HOST": "me-kd.hf.space"}), "me-kd.hf.space"),
        ({"KD_HOSTS": "kd.example.org"}, "kd.example.org"),
    ):
        done = subprocess.run([DEPLOY / "start.sh"], env=env | more, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"{hosts} -m streamlit run app.py --server.address 0.0.0.0 --server.port 8501")


FAKE = {
    "srun": '#!/bin/sh\necho "$* $RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$LOG"\n',
    "ray": "#!/bin/sh\n",
    "python": f"""#!{sys.executable}
import os, signal, sys, time
from pathlib import Path
while Path(os.environ["LOG"]).read_text().count("\\n") < 2:  # both calls of srun, which run beside this one
    time.sleep(0.01)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    sys.exit("SIGINT is ignored")
try:
    print("begun", *sys.argv[1:], flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("stopped with a checkpoint", flush=True)
    sys.exit(3)
""",
}


@pytest.fixture
def slurm(tmp_path):
    """The environment of a Slurm job whose programs are stand-ins; what they are called with is in `log`."""
    for name, text in FAKE.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "log").touch()
    job = {"SLURM_JOB_ID": "71234", "SLURMD_NODENAME": "n1", "SLURM_CPUS_PER_TASK": "32", "SLURM_GPUS_ON_NODE": "4"}
    folders = {"HOME": str(tmp_path), "LOG": str(tmp_path / "log"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return job | {"SLURM_JOB_NUM_NODES": "4"} | folders


def hears_interrupts():
    """In a new process: tests that a shell started in its background ignore SIGINT, and so would their processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, ["temperature"]), (signal.SIGTERM, ["resume", "20261129-temperature"])]
)
def test_the_signal_before_the_end_of_a_slurm_job_stops_the_study(slurm, tmp_path, number, words):
    """Slurm signals the script alone, as `--signal=B:INT` asks for; a command in a script's background would ignore SIGINT."""
    command = [DEPLOY / "slurm.sh", *words]
    with subprocess.Popen(command, env=slurm, stdout=subprocess.PIPE, text=True, preexec_fn=hears_interrupts) as job:
        begun = ["begun", "-m", "kdcore", "study", *words, "--on", "ray", "--address", "n1:21234", "--cpus", "8"]
        assert job.stdout.readline().split() == begun
        job.send_signal(number)
        assert job.stdout.read() == "stopped with a checkpoint\n"
        assert job.wait() == 3
    asked = "--ntasks-per-node=1 --cpus-per-task=32"
    lines = sorted((tmp_path / "log").read_text().splitlines())
    token = lines[0].split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", token)
    has = f"--num-cpus 32 --num-gpus 4 --block token {token}"
    assert lines == [
        f"{asked} --nodes=1 --nodelist=n1 ray start --head --port 21234 {has}",
        f"{asked} --nodes=3 --exclude=n1 ray start --address n1:21234 {has}",
    ]


def test_a_slurm_job_whose_ray_does_not_start_ends(slurm, tmp_path):
    (tmp_path / "ray").write_text("#!/bin/sh\nexit 1\n")
    done = subprocess.run([DEPLOY / "slurm.sh", "temperature"], env=slurm, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "Ray has ended on n1 before it answered at n1:21234.\n")


def commands() -> list[str]:
    """The command lines of this project in the files for clusters and in their page of documentation."""
    found = [
        yaml.safe_load(part)["spec"]["entrypoint"]
        for part in (DEPLOY / "kubernetes.yaml").read_text().split("\n---\n")
        if "entrypoint" in part
    ]
    slurm = (DEPLOY / "slurm.sh").read_text()
    found += re.findall(r"^(python -m kdcore .*) &$", slurm, re.MULTILINE)
    blocks = re.findall(r"```\n(.*?)```", (PROJECT / "docs" / "scale.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return found + [f"python -m kdcore {line.split('-m kdcore ')[1]}" for line in lines if "-m kdcore " in line]


def test_every_command_line_is_one_that_the_program_takes():
    lines = commands()
    assert len(lines) > 6
    for line in lines:
        words = shlex.split(line.partition("#")[0].replace('"$@"', "temperature").replace("$address", "first:6379"))[3:]
        app.parse_args(rewritten(app, words), exit_on_error=False, print_error=False)

"""The JobSet and the SkyPilot task against schemas, and against each other and the settings."""

import copy
from pathlib import Path

import pytest

from arabic_r1_jax.config import load_run_config
from arabic_r1_jax.parallel.topology import parse

yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]


def closed(required: list[str], **properties) -> dict:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
# The keys of jobset.x-k8s.io/v1alpha2 that are used, from its API reference; what is inside a job is Kubernetes' own.
RULE = closed(
    ["name", "action"],
    name=TEXT,
    action={"enum": ["FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"]},
    onJobFailureReasons={
        "type": "array",
        "items": {"enum": ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"]},
    },
)
JOBSET = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata=closed(["name"], name=TEXT, annotations={"type": "object", "additionalProperties": TEXT}),
    spec=closed(
        ["replicatedJobs"],
        failurePolicy=closed(
            ["maxRestarts"],
            maxRestarts=COUNT,
            restartStrategy={"enum": ["Recreate", "BlockingRecreate"]},
            rules={"type": "array", "items": RULE},
        ),
        replicatedJobs={
            "type": "array",
            "minItems": 1,
            "items": closed(
                ["name", "template"], name=TEXT, replicas=COUNT, template=closed(["spec"], spec={"type": "object"})
            ),
        },
    ),
)
# The keys of SkyPilot's task YAML that are used, from its reference.
TASK = closed(
    ["run"],
    name=TEXT,
    num_nodes={"type": "integer", "minimum": 1},
    resources=closed(
        [],
        infra=TEXT,
        use_spot={"type": "boolean"},
        job_recovery=closed([], strategy={"enum": ["FAILOVER", "EAGER_NEXT_REGION"]}, max_restarts_on_errors=COUNT),
    ),
    envs={"type": "object", "additionalProperties": TEXT},
    file_mounts={
        "type": "object",
        "additionalProperties": closed(["source"], source=TEXT, mode={"enum": ["MOUNT", "COPY", "MOUNT_CACHED"]}),
    },
    run=TEXT,
)


@pytest.fixture
def jobset() -> dict:
    return yaml.safe_load((ROOT / "launch/jobset.yaml").read_text())


@pytest.fixture
def task() -> dict:
    return yaml.safe_load((ROOT / "launch/skypilot.yaml").read_text())


def job_of(jobset: dict) -> dict:
    (replicated,) = jobset["spec"]["replicatedJobs"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": replicated["template"]["spec"]}


def test_the_jobset_has_the_keys_of_its_kind(jobset):
    jsonschema.validate(jobset, JOBSET)
    jobset["spec"]["failurePolicy"]["maxRestart"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(jobset, JOBSET)


def test_its_job_is_one_that_kubernetes_takes(jobset):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    job = job_of(jobset)
    kubernetes_validate.validate(job, "1.36", strict=True)
    broken = copy.deepcopy(job)
    broken["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.36", strict=True)


def test_a_lost_host_starts_the_slice_anew_and_a_failed_training_does_not(jobset):
    job = job_of(jobset)["spec"]
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    ignored, failed = job["podFailurePolicy"]["rules"]
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert failed["onExitCodes"]["values"] == [1, 2]
    assert jobset["spec"]["failurePolicy"]["rules"][0]["action"] == "FailJobSet"
    assert jobset["spec"]["failurePolicy"]["maxRestarts"] > 0


def test_it_has_a_host_for_every_four_chips_of_the_slice(jobset):
    job = job_of(jobset)["spec"]
    pod = job["template"]["spec"]
    slice_ = parse(f"v5p:{pod['nodeSelector']['cloud.google.com/gke-tpu-topology']}")
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == "tpu-v5p-slice"
    assert pod["containers"][0]["resources"]["limits"]["google.com/tpu"] == 4
    assert job["parallelism"] == job["completions"] == slice_.chips // 4
    assert load_run_config(ROOT / "configs/run/r1-v5p-16.toml").train.batch % slice_.chips == 0


def test_every_host_runs_the_staged_script_beside_the_bucket(jobset, task):
    (container,) = job_of(jobset)["spec"]["template"]["spec"]["containers"]
    assert [*container["command"], *container["args"]] == ["bash", "bucket/launch/r1/host.sh", "r1"]
    assert container["volumeMounts"][0]["mountPath"] == f"{container['workingDir']}/bucket"
    assert 'bash "bucket/launch/$RUN/host.sh" "$RUN"' in task["run"]
    assert list(task["file_mounts"]) == ["~/bucket"]


def test_the_task_has_the_keys_of_its_kind_and_recovers(task):
    jsonschema.validate(task, TASK)
    assert task["resources"]["use_spot"]
    assert set(task["envs"]) == {"RUN", "BUCKET"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**task, "file_mount": {}}, TASK)


@pytest.mark.parametrize("path", sorted((ROOT / "configs/run").glob("*-*.toml")), ids=lambda path: path.name)
def test_the_settings_read_from_the_bucket_and_cover_the_corpus(path):
    config = load_run_config(path)
    assert config.model.path.startswith("bucket/")
    assert all(name.startswith("bucket/") for name in config.data.records)
    tokens = config.train.steps * config.train.batch * config.train.seq
    assert tokens == pytest.approx(372e6, rel=0.01) or "24gb" in path.name  # the paper's

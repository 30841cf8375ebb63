"""Manifests against the schemas that are published for them, without a cluster or a daemon."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"


def loaded(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def closed(schema):
    """Return a schema that refuses fields it does not name, as the server of a cluster warns of them."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
        strict.setdefault("additionalProperties", False)
    return strict


@pytest.fixture(scope="module")
def chart():
    """The folder of the operator's chart, in the package of dask-kubernetes, which is not imported."""
    found = importlib.util.find_spec("dask_kubernetes")
    if found is None:
        pytest.skip("dask-kubernetes, which has the schemas, is not installed: pip install '.[deploy-test]'")
    return Path(found.origin).parent / "operator" / "deployment" / "helm" / "dask-kubernetes-operator"


def schema_of(chart: Path, kind: str) -> dict:
    (version,) = loaded(chart / "crds" / f"{kind.lower()}.yaml")["spec"]["versions"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {"apiVersion": {"const": "kubernetes.dask.org/v1"}, "kind": {"const": kind}, "metadata": {}}
    return schema


def faults(manifest: dict, schema: dict) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{fault.json_path}: {fault.message}" for fault in found]


@pytest.mark.parametrize(("name", "kind"), [("job.yaml", "DaskJob"), ("cluster.yaml", "DaskCluster")])
@pytest.mark.slow
def test_a_manifest_is_as_the_operator_publishes(chart, name, kind):
    manifest = loaded(KUBERNETES / name)
    assert faults(manifest, schema_of(chart, kind)) == []
    manifest["spec"]["wrokers"] = 3
    assert "wrokers" in " ".join(faults(manifest, schema_of(chart, kind)))


@pytest.mark.slow
def test_a_manifest_that_is_filled_in_runs_that_fit(chart):
    command = [sys.executable, KUBERNETES / "filled_in.py", KUBERNETES / "job.yaml", "here/dnmf:2", "7"]
    result = subprocess.run(
        [*command, "s3://b/x.zarr", "/runs/a.dnmf", "--rank", "5"], capture_output=True, text=True, check=True,
        env=os.environ | {"DNMF_GO_ON": "run.sh again"},
    )  # fmt: skip
    manifest = yaml.safe_load(result.stdout)
    assert faults(manifest, schema_of(chart, "DaskJob")) == []
    (fit,) = manifest["spec"]["job"]["spec"]["containers"]
    line = "dnmf fit s3://b/x.zarr --store /runs/a.dnmf --rank 5 --resume --scheduler tls://dnmf-fit-scheduler:8786"
    assert (fit["image"], " ".join(fit["args"][:-2])) == ("here/dnmf:2", line)
    assert {"name": "DNMF_GO_ON", "value": "run.sh again"} in fit["env"]
    assert manifest["spec"]["cluster"]["spec"]["worker"]["replicas"] == 7


def test_a_job_and_a_cluster_have_the_same_pods():
    job, cluster = (loaded(KUBERNETES / name) for name in ("job.yaml", "cluster.yaml"))
    pods = yaml.safe_dump(job["spec"]["cluster"]["spec"]).replace("dnmf-fit", "dnmf")
    assert yaml.safe_load(pods) == cluster["spec"]


def test_values_are_some_that_the_chart_has(chart):
    assert set(loaded(KUBERNETES / "values.yaml")) <= set(loaded(chart / "values.yaml"))


@pytest.mark.slow
def test_the_volume_is_a_claim_as_pods_make_them(chart):
    pod = schema_of(chart, "DaskJob")["properties"]["spec"]["properties"]["job"]["properties"]["spec"]["properties"]
    claim = pod["volumes"]["items"]["properties"]["ephemeral"]["properties"]["volumeClaimTemplate"]["properties"]
    volume = loaded(KUBERNETES / "volume.yaml")
    assert faults(volume["spec"], claim["spec"]) == []
    names = {v["persistentVolumeClaim"]["claimName"] for v in loaded(KUBERNETES / "job.yaml")["spec"]["job"]["spec"]
             ["volumes"] if "persistentVolumeClaim" in v}  # fmt: skip
    assert names == {volume["metadata"]["name"]}


def test_the_image_is_built_as_hadolint_wants():
    if shutil.which("hadolint") is None:
        pytest.skip("there is no hadolint here: pip install '.[deploy-test]'")
    result = subprocess.run(["hadolint", DEPLOY / "docker" / "Dockerfile"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def compose() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return pytest.skip("there is no docker compose here")


@pytest.mark.slow
def test_the_services_are_as_compose_wants():
    told = {"FOLDER": "/here", "CERTIFICATES": "/certificates", "DATA": "/data", "OWNER": "1000:1000"}
    command = [*compose(), "--file", DEPLOY / "docker" / "compose.yaml", "config"]
    result = subprocess.run(command, env=os.environ | told, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert set(yaml.safe_load(result.stdout)["services"]) == {"s3", "data", "scheduler", "worker", "fit"}

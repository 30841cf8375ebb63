"""A DaskJob's manifest with what is to be run: python filled_in.py MANIFEST IMAGE WORKERS DATA STORE FIT_OPTION…."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml


def filled_in(manifest: dict[str, Any], image: str, workers: int, data: str, store: str, *options: str) -> None:
    """Write into `manifest` what is to be run: ``dnmf fit DATA --store STORE OPTIONS… --resume``."""
    job, cluster = manifest["spec"]["job"]["spec"], manifest["spec"]["cluster"]["spec"]
    cluster["worker"]["replicas"] = workers
    for pod in (job, cluster["scheduler"]["spec"], cluster["worker"]["spec"]):
        pod["containers"][0]["image"] = image
    address = f"tls://{manifest['metadata']['name']}-scheduler:8786"
    job["containers"][0]["args"] = [
        *("dnmf", "fit", data, "--store", store, *options),
        *("--resume", "--scheduler", address, "--workers-timeout", "1800"),
    ]
    if line := os.environ.get("DNMF_GO_ON"):  # which dnmf says: that of run.sh
        job["containers"][0]["env"] = [*job["containers"][0]["env"], {"name": "DNMF_GO_ON", "value": line}]


def main(path: str, image: str, workers: str, *arguments: str) -> None:
    """Print the manifest at `path`, filled in, as JSON."""
    manifest = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    filled_in(manifest, image, int(workers), *arguments)
    json.dump(manifest, sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Pushes made-up layers into a container registry; see docker-registry.sh.

    blobs.py REGISTRY WORK COUNT      writes into WORK
        list                          the paths of the blobs, each once
        catalog.csv                   their lengths and digests
        blob.NUMBER                   for each, where the registry keeps it
"""

import gzip
import hashlib
import random
import sys
import urllib.request
from pathlib import Path

REPOSITORIES = ["library/debian", "team/app", "team/deep/er/app"]


def push(registry, repository, blob, digest):
    begun = ask("POST", f"{registry}/v2/{repository}/blobs/uploads/")
    location = begun.headers["Location"]
    stored = ask("PUT", f"{location}&digest=sha256:{digest}", blob)
    assert stored.status == 201, stored.status


def ask(method, url, content=b""):
    fields = {"Content-Type": "application/octet-stream"}
    return urllib.request.urlopen(urllib.request.Request(url, content, fields, method=method), timeout=10)


def main(registry, work, count):
    random.seed(count)
    paths, rows = [], ["name,version,size,sha256"]
    for n in range(count):
        repository = REPOSITORIES[n % len(REPOSITORIES)]
        blob = gzip.compress(random.randbytes(1000 + 37 * n), mtime=0)
        digest = hashlib.sha256(blob).hexdigest()
        push(registry, repository, blob, digest)
        paths.append(f"/v2/{repository}/blobs/sha256:{digest}")
        rows.append(f"{repository},{digest},{len(blob)},{digest}")
        (work / f"blob.{n}").write_text(f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data\n")
    (work / "list").write_text("\n".join(paths) + "\n")
    (work / "catalog.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

"""A package index for devpi to mirror, and the mirror's set-up; see devpi.sh.

    wheels.py files WORK COUNT      writes into WORK
        simple/                     the index, as PEP 503 has it
        store/packages/             the files
    wheels.py mirror DEVPI INDEX    makes /root/mirror in devpi, a mirror of INDEX
    wheels.py list DEVPI WORK       writes the paths that devpi's pages lead to
"""

import base64
import gzip
import hashlib
import html
import io
import json
import re
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

STORE = "https://files.store.test/packages"
PROJECTS = ["brisk", "calm-and-kind", "light"]


def files(work, count):
    store = work / "store" / "packages"
    store.mkdir(parents=True)
    for project in PROJECTS:
        links = []
        for n in range(count):
            name = project.replace("-", "_")
            version = f"1.{n}" + ("+cpu" if n % 4 == 1 else "")
            if n % 2:
                file, content = f"{name}-{version}-py3-none-any.whl", wheel(name, version)
            else:
                file, content = f"{name}-{version}.tar.gz", gzip.compress(f"{name} {version}".encode(), mtime=0)
            (store / file).write_bytes(content)
            url = f"{STORE}/{urllib.parse.quote(file)}#sha256={hashlib.sha256(content).hexdigest()}"
            links.append(f'<a href="{html.escape(url)}">{html.escape(file)}</a>')
        page(work / "simple" / project, links)
    page(work / "simple", [f'<a href="{project}/">{project}</a>' for project in PROJECTS])


def wheel(name, version):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n")
    return content.getvalue()


def page(folder, links):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<!DOCTYPE html>\n" + "<br>\n".join(links) + "\n")


def ask(method, url, fields, content=None):
    fields = {"Content-Type": "application/json", **fields}
    body = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, fields, method=method), timeout=60) as answer:
        return answer.read().decode()


def mirror(devpi, index):
    login = json.loads(ask("POST", f"{devpi}/+login", {}, {"user": "root", "password": "only-here"}))
    token = base64.b64encode(f"root:{login['result']['password']}".encode()).decode()
    settings = {"type": "mirror", "mirror_url": index, "mirror_use_external_urls": True}
    ask("PUT", f"{devpi}/root/mirror", {"X-Devpi-Auth": token}, settings)


def list_paths(devpi, work):
    paths = []
    for project in PROJECTS:
        base = f"/root/mirror/+simple/{project}/"
        for link in re.findall(r'href="([^"#]*\+f/[^"#]*)', ask("GET", devpi + base, {"Accept": "text/html"})):
            paths.append(urllib.parse.urljoin(base, html.unescape(link)))
    (work / "list").write_text("\n".join(paths) + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["files", work, count]:
            files(Path(work), int(count))
        case ["mirror", devpi, index]:
            mirror(devpi, index)
        case ["list", devpi, work]:
            list_paths(devpi, Path(work))

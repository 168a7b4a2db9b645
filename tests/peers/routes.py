"""Ten thousand download routes for nginx, and the store behind them; see nginx.sh.

    routes.py WORK ROUTES      writes into WORK
        list                   the paths that are asked for
        sound.map              nginx's map from each to its right Location
        broken.map             the same with some routes broken, each in its own way
        broken/FAULT           the paths that must be found with that fault
        store/                 the files
        plus                   the paths whose version holds a `+`
        gone                   the file that has to go for `target.404`
"""

import gzip
import sys
from pathlib import Path

HOST = "static.store.test"


def breakages(place, path):
    """Locations as releases have broken them, and what each must be called."""
    name = place.rsplit("/", 1)[1]
    return [
        ("dns.nxdomain", f"https://{HOST}{place[1:]}"),
        ("location.glued_host", f"https://{HOST}.stranger.test{place}"),
        ("location.wrong_host", f"https://staging.store.test{place}"),
        ("location.downgrade", f"http://{HOST}{place}"),
        ("location.userinfo", f"https://user@{HOST}{place}"),
        ("location.port", f"https://{HOST}:8443{place}"),
        ("location.double_slash", f"https://{HOST}/{place}"),
        ("location.placeholder", f"https://{HOST}/crates/{{crate}}/{name}"),
        ("location.relative", place),
        ("location.encoding", f"https://{HOST}{place.replace('-', '%252D', 1)}"),
        ("location.mismatch", f"https://{HOST}{place.replace('.crate', '.tgz')}"),
        ("location.missing", ""),
        ("target.404", None),
    ]


def main(work, count):
    (work / "broken").mkdir()
    gone = None
    paths, plus, sound, broken = [], [], [], []
    step = count // len(breakages("/a/b", ""))
    for n in range(count):
        version = f"1.{n % 17}.{n % 5}"
        if n % 100 == 7:
            version += f"%2Bbuild.{n}"
        elif n % 100 == 8:
            version += "-rc.1"
        name = f"brisk-{n:05}"
        path = f"/api/v1/crates/{name}/{version}/download"
        place = f"/crates/{name}/{name}-{version}.crate"
        file = work / "store" / place[1:].replace("%2B", "+")
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.compress(name.encode()))
        paths.append(path)
        plus += [path] * ("%2B" in version)
        sound.append(f'"{path}" "https://{HOST}{place}";')
        kinds = breakages(place, path)
        if n % step == step - 1 and n // step < len(kinds):
            fault, location = kinds[n // step]
            (work / "broken" / fault).write_text(path + "\n")
            if location is None:
                gone, location = file, f"https://{HOST}{place}"
            broken.append(f'"{path}" "{location}";')
        else:
            broken.append(sound[-1])
    (work / "list").write_text("\n".join(paths) + "\n")
    (work / "plus").write_text("\n".join(plus) + "\n")
    (work / "sound.map").write_text("\n".join(sound) + "\n")
    (work / "broken.map").write_text("\n".join(broken) + "\n")
    (work / "gone").write_text(f"{gone}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

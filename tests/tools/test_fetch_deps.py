# SPDX-License-Identifier: Apache-2.0
"""Goal: tools/fetch-deps takes nothing that the lock does not name, says what is
wrong, and needs no network when the cache is full.

Method: a copy of the script beside a lock of our own, archives made here, and
pip held to a local folder or to nothing at all.
"""

import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WHEEL = "toy-1.0-py3-none-any.whl"
SDIST = "plain-2.0.tar.gz"


def make_wheel(path, text="x = 1\n", name="toy/__init__.py"):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr(name, text)
        z.writestr("toy/data.txt", "data")
        z.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        z.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                                              "Tag: py3-none-any\n")
        z.writestr("toy-1.0.dist-info/RECORD", "")


def make_sdist(path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as z:
        z.writestr("rows.csv", "a,b\n1,2\n")
        z.writestr("__MACOSX/._rows.csv", "junk")
    # A build backend that must never run.
    files = {
        "plain-2.0/PKG-INFO": b"Metadata-Version: 2.1\nName: plain\nVersion: 2.0\n",
        "plain-2.0/pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "evil"\n'
                                    b'backend-path = ["."]\n',
        "plain-2.0/evil.py": b"import os\nopen(os.environ['EVIL'], 'w').close()\n",
        "plain-2.0/data/rows.csv.zip": inner.getvalue(),
        "plain-2.0/data/more.txt": b"more",
        "plain-2.0/other.txt": b"other",
    }
    with tarfile.open(path, "w:gz") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))


class Place:
    """A tree with the script, a cache and a folder that stands for the registry."""

    def __init__(self, folder):
        self.root, self.cache, self.registry = (folder / n for n in ("root", "cache", "registry"))
        for path in (self.root / "tools", self.cache, self.registry):
            path.mkdir(parents=True)
        shutil.copy(ROOT / "tools/fetch-deps", self.root / "tools")
        make_wheel(self.registry / WHEEL)
        make_sdist(self.registry / SDIST)
        self.evil = folder / "evil"
        self.deps = self.root / "build/deps"

    def sha256(self, name):
        return hashlib.sha256((self.registry / name).read_bytes()).hexdigest()

    def lock(self, *lines, group="product"):
        text = f"group {group} python=3.11\n" + "".join(line + "\n" for line in lines)
        (self.root / "deps.lock").write_text(text)

    def run(self, *args, registry=True):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        env.update(AX_DEPS_CACHE=str(self.cache), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull,
                   EVIL=str(self.evil))
        if registry:
            env["PIP_FIND_LINKS"] = str(self.registry)
        return subprocess.run([str(self.root / "tools/fetch-deps"), *args], env=env,
                              capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_fetches_checks_and_unpacks_what_is_named(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/data.txt",
               f"sdist plain 2.0 {SDIST} {place.sha256(SDIST)} data/*")
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert "fetched toy 1.0 (PyPI" in done.stdout and "fetched plain 2.0 (PyPI" in done.stdout
    found = sorted(str(p.relative_to(place.deps)) for p in place.deps.rglob("*")
                   if p.is_file() and not p.name.startswith("."))
    assert found == ["plain-sdist/data/more.txt", "plain-sdist/data/rows.csv",
                     "toy-wheel/toy/data.txt"]
    assert not place.evil.exists(), "code of the archive ran"


def test_second_run_does_nothing_and_full_cache_needs_no_registry(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/*")
    assert place.run().returncode == 0
    again = place.run(registry=False)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    shutil.rmtree(place.deps)
    fresh = place.run(registry=False)
    assert fresh.returncode == 0 and (place.deps / "toy-wheel/toy/data.txt").exists()


def test_changed_line_replaces_the_folder(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/*")
    assert place.run().returncode == 0
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/data.txt")
    assert place.run().returncode == 0
    assert not (place.deps / "toy-wheel/toy/__init__.py").exists()


def second_wheel(place):
    """A wheel that pip fetches by the same call as the first; its line for the lock."""
    name = "twin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place.registry / name, "w") as z:
        z.writestr("twin/__init__.py", "")
        z.writestr("twin-1.0.dist-info/METADATA",
                   "Metadata-Version: 2.1\nName: twin\nVersion: 1.0\n")
        z.writestr("twin-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                                               "Tag: py3-none-any\n")
        z.writestr("twin-1.0.dist-info/RECORD", "")
    return f"python twin 1.0 {name} {place.sha256(name)}"


@pytest.mark.parametrize("group, folder", [("test", "python"), ("clients", "python-clients")])
def test_python_wheels_of_a_group_share_one_folder(place, group, folder):
    place.lock(f"python toy 1.0 {WHEEL} {place.sha256(WHEEL)}", second_wheel(place), group=group)
    done = place.run("--group", group)
    assert done.returncode == 0, done.stderr
    assert (place.deps / folder / "toy/__init__.py").exists()
    assert (place.deps / folder / "twin/__init__.py").exists()


def test_a_file_of_two_groups_is_fetched_once(place):
    line = f"python {{}} 1.0 {WHEEL} {place.sha256(WHEEL)}"
    place.lock(line.format("toy"), "group clients python=3.11", line.format("Toy"), group="test")
    done = place.run("--group", "test", "--group", "clients")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("fetched ") == 1
    for folder in ("python", "python-clients"):
        assert (place.deps / folder / "toy/__init__.py").exists()


def test_one_that_is_not_there_does_not_keep_the_others_away(place):
    line = second_wheel(place)
    gone = f"python gone 1.0 gone-1.0-py3-none-any.whl {'0' * 64}"
    place.lock(f"python toy 1.0 {WHEEL} {place.sha256(WHEEL)}", gone, line)
    done = place.run()
    assert done.returncode == 1
    assert "could not fetch gone 1.0 from PyPI: " in done.stderr
    assert "toy 1.0 from" not in done.stderr and "twin 1.0 from" not in done.stderr
    assert (place.cache / WHEEL).exists()
    assert (place.cache / "twin-1.0-py3-none-any.whl").exists()


def test_releases_of_the_fixtures_have_folders_of_their_own(place):
    place.lock("group fixtures python=3.11",
               f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/data.txt")
    assert place.run("--group", "fixtures").returncode == 0
    assert (place.deps / "toy-1.0-wheel/toy/data.txt").exists()


def test_other_contents_are_refused(place):
    wanted = place.sha256(WHEEL)
    place.lock(f"wheel toy 1.0 {WHEEL} {wanted} toy/*")
    make_wheel(place.registry / WHEEL, "x = 2\n")
    done = place.run()
    assert done.returncode == 1
    for words in (f"checksum mismatch: {WHEEL}", f"expected {wanted}",
                  f"got      {place.sha256(WHEEL)}"):
        assert words in done.stderr
    assert not (place.cache / WHEEL).exists() and not (place.deps / "toy-wheel").exists()


def test_damaged_cache_is_fetched_anew(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/*")
    (place.cache / WHEEL).write_bytes(b"half a fi")
    done = place.run()
    assert done.returncode == 0 and "is damaged" in done.stdout
    assert hashlib.sha256((place.cache / WHEEL).read_bytes()).hexdigest() == place.sha256(WHEEL)


def test_registry_away_is_told_and_the_rest_is_done(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/*",
               f"sdist plain 2.0 {SDIST} {place.sha256(SDIST)} data/*")
    shutil.copy(place.registry / SDIST, place.cache)
    done = place.run(registry=False)
    assert done.returncode == 1
    assert "could not fetch toy 1.0 from PyPI: " in done.stderr
    assert "With a full cache no network is needed" in done.stderr
    assert (place.deps / "plain-sdist/data/rows.csv").exists()


@pytest.mark.parametrize("line, words", [
    ("wheel toy 1.0", "deps.lock:2: a line needs"),
    (f"cargo toy 1.0 {WHEEL} {'0' * 64}", "unknown client 'cargo'"),
    (f"wheel toy 1.0 {WHEEL} 12ab", "bad digest"),
])
def test_bad_lock_is_told(place, line, words):
    place.lock(line)
    done = place.run()
    assert done.returncode == 1 and words in done.stderr


def test_path_that_is_not_there_is_told(place):
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} toy/nothing")
    done = place.run()
    assert done.returncode == 1 and "has nothing named 'toy/nothing'" in done.stderr


def test_archive_cannot_write_outside(place):
    make_wheel(place.registry / WHEEL, name="../escaped.py")
    place.lock(f"wheel toy 1.0 {WHEEL} {place.sha256(WHEEL)} *")
    done = place.run()
    assert done.returncode == 1 and "unsafe path" in done.stderr
    assert not list(place.root.rglob("escaped.py"))


def test_unknown_group_is_told(place):
    place.lock()
    done = place.run("--group", "everything")
    assert done.returncode == 1 and "no group 'everything'" in done.stderr

"""Checkpoints by name: from an imitation of the Hugging Face hub and of a release, whole, cut short, changed and missing.

Every fetch runs in a process of its own, because the hub's client reads its environment once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support import da3_oracle
from support.fake_host import COMMIT, Host, serving
from support.seeded import seeded_tensors, write_tiny

import dptscope
from dptscope.commands import app as cli
from dptscope.errors import DptscopeError
from dptscope_export.checkpoints.file_names import own_stem
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.sources import find_source, find_sources, published
from dptscope_export.sources.hub import choose_files

REPOSITORY = "someone/tiny-hf"
RELEASE = "dpt_swin2_tiny_256"  # stands for a published name without a known hash; the files here are made up
HASHED = "dpt_beit_large_512"
CONTENT = bytes(range(256)) * 4096
NOBODY = "http://127.0.0.1:9"

# Published names for files that fit into a test: their tensor bytes and hashes are set to the made-up content's.
FETCH = """
import dataclasses, sys
from dptscope.errors import DptscopeError
from dptscope_export.sources import find_source, published
for name, known in zip(sys.argv[2::2], sys.argv[3::2]):
    published.BY_NAME[name] = dataclasses.replace(published.BY_NAME[name], tensor_bytes=1000, hash=known or None)
try:
    source = find_source(sys.argv[1])
except DptscopeError as error:
    sys.exit(str(error))
print(source.path)
print(*source.notes, sep="\\n")
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host()) as host:
        yield host


@pytest.fixture
def environment(host: Host, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HF_ENDPOINT": host.url,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DPTSCOPE_RELEASES": f"{host.url}/releases",
        "DPTSCOPE_CACHE": str(tmp_path / "cache"),
    }


def fetch(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FETCH, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A fetch from a hub that cannot be reached; its client tries for 20 s, in which the other tests go on."""
    environment = {**os.environ, "HF_ENDPOINT": NOBODY, "HF_HOME": str(tmp_path_factory.mktemp("nobody"))}
    command = [sys.executable, "-c", FETCH, "a/b"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def sha256(content: bytes) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_export_by_the_name_of_a_repository(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """The whole command; then again with nobody there, from the cache, by the offline switch."""
    weights = write_tiny(tmp_path / "depth_anything_v2_vits.safetensors").read_bytes()
    host.repositories["model", REPOSITORY] = {"README.md": b"hello", "tiny.safetensors": weights}
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "dptscope", "export", REPOSITORY]
    run = subprocess.run(command, env=environment, cwd=tmp_path / "work", capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    written = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert written == ["tiny-hf.fusion.onnx", "tiny-hf.onnx", "tiny-hf.preview.onnx"]
    card = dptscope.load(tmp_path / "work/tiny-hf.onnx").card
    assert card.source_file == REPOSITORY
    assert f"sha256:{card.source_sha256}" == sha256(weights)
    assert host.ranges("README.md") == []
    before = len(host.requests)
    again = fetch({**environment, "HF_HUB_OFFLINE": "1"}, REPOSITORY)
    assert again.returncode == 0, again.stderr
    assert Path(again.stdout.split()[0]).read_bytes() == weights
    assert len(host.requests) == before


def test_a_folder_of_config_and_weights(host: Host, environment: dict[str, str]) -> None:
    host.repositories["model", REPOSITORY] = {
        "config.json": b"{}",
        "model.safetensors": CONTENT,
        "pytorch_model.bin": b"the same once more",
        "depth_anything_v2.pth": b"another layout",
    }
    run = fetch(environment, REPOSITORY)
    folder = Path(run.stdout.split()[0])
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert folder.name == COMMIT


def test_a_published_file_on_the_hub(host: Host, environment: dict[str, str]) -> None:
    """V1's files lie in a space, and their hash is known."""
    host.repositories["space", "LiheYoung/Depth-Anything"] = {"checkpoints/depth_anything_vits14.pth": CONTENT}
    run = fetch(environment, "depth_anything_vits14", "depth_anything_vits14", sha256(CONTENT))
    path, note = run.stdout.strip().split("\n")
    assert Path(path).name == "depth_anything_vits14.pth"
    assert Path(path).read_bytes() == CONTENT
    assert note == "the weights' licence is Apache-2.0: commercial use allowed"
    Path(path).parents[3].rename(Path(path).parents[3].with_name("aside"))
    other = fetch(environment, "depth_anything_vits14")  # with the real file's hash, which the made-up one has not
    assert other.returncode == 1
    assert "expected SHA-256 59afe57c" in other.stderr
    assert not Path(path).exists()


def test_a_published_repository_by_its_name(host: Host, environment: dict[str, str]) -> None:
    """Distill-Any-Depth in the layout of the hub: the config in it tells what the weights are."""
    name = "Distill-Any-Depth-Small-hf"
    host.repositories["model", f"xingyang1/{name}"] = {"config.json": b"{}", "model.safetensors": CONTENT}
    for asked in (name, f"xingyang1/{name}"):
        path, note = fetch(environment, asked).stdout.strip().split("\n")
        assert {file.name for file in Path(path).iterdir()} == {"config.json", "model.safetensors"}
        assert note == "the weights' licence is MIT: commercial use allowed"


def test_depth_anything_3_by_name_and_by_repository(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """Its config, or without that the repository's name, tells mono and metric apart."""
    repository = "depth-anything/DA3METRIC-LARGE"
    save_file(da3_oracle.tensors(), tmp_path / "model.safetensors")
    weights = (tmp_path / "model.safetensors").read_bytes()
    for config, told in (
        (b'{"model_name": "da3metric-large"}', "model_name da3metric-large in config.json"),
        (b"{}", f"the published repository {repository}"),
    ):
        host.repositories["model", repository] = {"config.json": config, "model.safetensors": weights}
        for asked in ("DA3METRIC-LARGE", repository):
            path, note = fetch(environment, asked).stdout.strip().split("\n")
            assert note == "the weights' licence is Apache-2.0: commercial use allowed"
            plan = recognise(read_checkpoint(Path(path), repository), ExportOptions())
            assert (plan.variant, plan.evidence) == ("depth-anything-3-metric", told)
        shutil.rmtree(tmp_path / "hub")


def test_the_hub_breaks_off(host: Host, environment: dict[str, str]) -> None:
    """The client takes up where it was, in pieces of ten megabytes."""
    content = CONTENT * 24
    host.repositories["model", REPOSITORY] = {"weights.safetensors": content}
    host.cut["weights.safetensors"] = 1
    run = fetch(environment, REPOSITORY)
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.split()[0]).read_bytes() == content
    first, second = host.ranges("weights.safetensors")
    assert first is None
    assert "resume" not in run.stderr  # the client's own warning
    assert second is not None and int(second.removeprefix("bytes=").removesuffix("-")) > 0


def test_the_hub_sends_something_else(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    host.repositories["model", REPOSITORY] = {"weights.safetensors": CONTENT}
    host.changed["weights.safetensors"] = CONTENT[:-1] + b"?"
    run = fetch(environment, REPOSITORY)
    assert run.returncode == 1
    assert "weights.safetensors: expected SHA-256" in run.stderr
    assert not [
        path for path in (tmp_path / "hub").rglob("*") if path.is_file() and path.stat().st_size >= len(CONTENT)
    ]
    host.changed.clear()
    assert fetch(environment, REPOSITORY).returncode == 0


@pytest.mark.parametrize(
    ("offline", "message"),
    [("0", "no such path here, and no such repository on the Hugging Face hub"), ("1", "HF_HUB_OFFLINE forbids")],
)
def test_not_on_the_hub(environment: dict[str, str], offline: str, message: str) -> None:
    run = fetch({**environment, "HF_HUB_OFFLINE": offline}, "someone/nothing")
    assert run.returncode == 1
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_an_unknown_revision(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    host.repositories["model", REPOSITORY] = {"weights.safetensors": CONTENT}
    run = subprocess.run(
        [sys.executable, "-m", "dptscope", "export", REPOSITORY, "--revision", "v9", "-o", str(tmp_path / "a.onnx")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr.strip()) == (2, f"dptscope: {REPOSITORY}: no such revision as v9")


@pytest.mark.parametrize("known", [sha256(CONTENT), ""])
def test_a_release_file(host: Host, environment: dict[str, str], tmp_path: Path, known: str) -> None:
    host.releases[f"{RELEASE}.pt"] = CONTENT
    run = fetch(environment, RELEASE, RELEASE, known)
    assert run.returncode == 0, run.stderr
    path, *notes = run.stdout.strip().split("\n")
    assert Path(path) == tmp_path / "cache" / f"{RELEASE}.pt"
    assert Path(path).read_bytes() == CONTENT
    assert [f"no hash of {RELEASE}.pt is known" in note for note in notes] == ([False] if known else [False, True])
    assert visible(tmp_path / "cache") == [f"{RELEASE}.pt"]
    again = fetch({**environment, "HF_HUB_OFFLINE": "1"}, RELEASE, RELEASE, known)
    assert again.stdout == run.stdout
    assert len(host.requests) == 1


def test_a_release_breaks_off_for_a_while(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """Three attempts in one command, and the next command goes on with the same part."""
    host.releases[f"{RELEASE}.pt"] = CONTENT
    host.cut[f"{RELEASE}.pt"] = 4
    run = fetch(environment, RELEASE, RELEASE, sha256(CONTENT))
    assert run.returncode == 1
    assert "what is there is kept, so the same command goes on" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert visible(tmp_path / "cache") == [f"{RELEASE}.pt.etag", f"{RELEASE}.pt.part"]
    assert fetch(environment, RELEASE, RELEASE, sha256(CONTENT)).returncode == 0
    half = len(CONTENT) // 2
    assert host.ranges(f"{RELEASE}.pt")[:3] == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]
    assert len(host.ranges(f"{RELEASE}.pt")) == 5
    assert (tmp_path / "cache" / f"{RELEASE}.pt").read_bytes() == CONTENT
    assert visible(tmp_path / "cache") == [f"{RELEASE}.pt"]


def test_another_file_is_not_put_behind_the_first_half(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    host.releases[f"{RELEASE}.pt"] = CONTENT
    host.cut[f"{RELEASE}.pt"] = 3
    assert fetch(environment, RELEASE, RELEASE, "").returncode == 1
    host.releases[f"{RELEASE}.pt"] = CONTENT[::-1]
    assert fetch(environment, RELEASE, RELEASE, "").returncode == 0
    assert (tmp_path / "cache" / f"{RELEASE}.pt").read_bytes() == CONTENT[::-1]


def test_a_release_sends_something_else(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    host.releases[f"{HASHED}.pt"] = CONTENT
    host.changed[f"{HASHED}.pt"] = CONTENT[:-1] + b"?"
    run = fetch(environment, HASHED, HASHED, sha256(CONTENT))
    assert run.returncode == 1
    assert f"{HASHED}: expected {HASHED}.pt with sha256:" in run.stderr
    assert visible(tmp_path / "cache") == []
    host.changed.clear()
    assert fetch(environment, HASHED, HASHED, sha256(CONTENT)).returncode == 0


def test_a_release_that_is_too_small(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """An error page in place of the file, say; there is no hash to tell."""
    host.releases[f"{RELEASE}.pt"] = b"<html>sorry</html>"
    run = fetch(environment, RELEASE, RELEASE, "")
    assert "expected at least the 1000 bytes of its tensors, got a file of 18" in run.stderr
    assert visible(tmp_path / "cache") == []


def test_a_release_that_is_gone(environment: dict[str, str], tmp_path: Path) -> None:
    run = fetch(environment, RELEASE)
    assert f"{RELEASE}: expected {RELEASE}.pt at" in run.stderr
    assert "got HTTP status 404" in run.stderr
    offline = fetch({**environment, "HF_HUB_OFFLINE": "1"}, RELEASE)
    assert "HF_HUB_OFFLINE forbids to fetch it" in offline.stderr
    assert visible(tmp_path / "cache") == []


def visible(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_path_always_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (RELEASE, REPOSITORY):
        Path(name).mkdir(parents=True)
        assert find_source(name).path == Path(name)
    with pytest.raises(DptscopeError, match="no such file or folder; the published file is called"):
        find_source("dpt_beit_base_384.pt")
    with pytest.raises(DptscopeError, match="--revision is for repositories"):
        find_source(RELEASE, "main")


def test_choosing_files() -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = "model.safetensors.index.json"
    assert choose_files(["config.json", index, *shards, "x.bin"], "a/b") == ["config.json", index, *shards]
    assert choose_files(["config.json", "depth.pth"], "a/b") == ["depth.pth"]
    with pytest.raises(DptscopeError, match=r"got 2 weights files without a config\.json: a\.pth, b\.pth"):
        choose_files(["a.pth", "b.pth"], "a/b")
    with pytest.raises(DptscopeError, match=r"got 2 weights files beside a config\.json: model\.bf16"):
        choose_files(["config.json", "model.bf16.safetensors", "model.fp16.safetensors"], "a/b")
    with pytest.raises(DptscopeError, match=r"got 1 files without weights: README\.md"):
        choose_files(["README.md"], "a/b")


@pytest.mark.parametrize(
    ("weights", "shards"),
    [
        ("pytorch_model.bin.index.json", ["pytorch_model-00001-of-00001.bin"]),
        ("model.safetensors.index.fp16.json", ["model.fp16-00001-of-00001.safetensors"]),
        ("model.fp16.safetensors", []),
        ("pytorch_model.bin", []),
    ],
)
def test_choosing_files_of_every_name(weights: str, shards: list[str]) -> None:
    others = ["README.md", "optimizer.pt", "tf_model.h5", "flax-00001-of-00001.msgpack"]
    names = ["config.json", weights, *shards, "preprocessor_config.json"]
    assert choose_files([*others, *names], "a/b") == names


def cached(folder: Path, repository: str, file: str, content: bytes) -> Path:
    """A file in the hub's cache: a link to a file that its hash names."""
    place = folder / f"models--{repository.replace('/', '--')}"
    blob, link = place / "blobs" / sha256(content).removeprefix("sha256:"), place / "snapshots" / COMMIT / file
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(Path("../../blobs") / blob.name)
    return link


V2_LICENCE = ("the weights' licence is Apache-2.0: commercial use allowed",)


def test_a_file_in_the_hubs_cache_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = cached(tmp_path, "depth-anything/Depth-Anything-V2-Small", "depth_anything_v2_vits.pth", b"weights")
    other = cached(tmp_path, "someone/tiny", "mine.safetensors", b"others")
    assert own_stem(link) == "depth_anything_v2_vits"
    for path in (link, link.parent):
        (source,) = find_sources(str(path))
        assert (source.path, source.name, source.stem, source.notes) == (link, None, None, V2_LICENCE)
    (source,) = find_sources(str(other))
    assert (source.path, source.notes) == (other, ())
    monkeypatch.chdir(link.parent)
    assert find_source("depth_anything_v2_vits.pth").notes == V2_LICENCE


def test_a_folder_in_the_hubs_cache_is_its_repository(tmp_path: Path) -> None:
    """The folder itself has the name of a commit."""
    repository = "depth-anything/Depth-Anything-V2-Small-hf"
    link = cached(tmp_path, repository, "model.safetensors", b"weights")
    cached(tmp_path, repository, "config.json", b"{}")
    (source,) = find_sources(str(link.parent))
    assert (source.name, source.stem, source.notes) == (repository, "Depth-Anything-V2-Small-hf", V2_LICENCE)
    (source,) = find_sources(str(link))
    assert (source.name, source.stem, source.notes) == (repository, None, V2_LICENCE)
    assert own_stem(link) == "model"


def test_a_link_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.v1").mkdir()
    (tmp_path / "link").symlink_to("folder.v1")
    monkeypatch.chdir(tmp_path / "folder.v1")
    assert [own_stem(Path(name)) for name in (".", "../link", "../link/")] == ["folder.v1", "link", "link"]


def test_a_folder_without_checkpoints_says_what_is_there(tmp_path: Path) -> None:
    for name in ("a.txt", "b.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(DptscopeError, match=r"or with checkpoints in it \(.*\.ckpt.*\), got a\.txt, b\.onnx$"):
        find_sources(str(tmp_path))


def test_the_repository_of_a_published_file(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """Evidence, licence and hash are the file's, however it was asked for."""
    repository, name = "depth-anything/Depth-Anything-V2-Small", "depth_anything_v2_vits"
    weights = write_tiny(tmp_path / "tiny.safetensors", variant="none").read_bytes()
    host.repositories["model", repository] = {"README.md": b"hello", f"{name}.pth": weights}
    run = fetch(environment, repository, name, sha256(weights))
    path, note = run.stdout.strip().split("\n")
    assert (Path(path).name, note) == (f"{name}.pth", V2_LICENCE[0])
    wrong = fetch(environment, repository)  # with the real file's hash
    assert wrong.returncode == 1
    assert f"{name}.pth: expected SHA-256" in wrong.stderr


def test_what_a_repository_holds_is_evidence(tmp_path: Path) -> None:
    torch.save(seeded_tensors(), tmp_path / "depth_anything_v2_vits.pth")
    read = read_checkpoint(tmp_path / "depth_anything_v2_vits.pth", "depth-anything/Depth-Anything-V2-Small")
    plan = recognise(read, ExportOptions())
    assert (plan.variant, plan.evidence) == ("depth-anything-v2", "the published file name depth_anything_v2_vits.pth")
    assert read.name == "depth-anything/Depth-Anything-V2-Small"


def test_the_authors_repositories_of_v1(host: Host, environment: dict[str, str], tmp_path: Path) -> None:
    """Settings of PyTorchModelHubMixin and a file with a name that all have: the repository's name tells."""
    repository = "LiheYoung/depth_anything_vits14"
    torch.save(seeded_tensors(), tmp_path / "pytorch_model.bin")
    host.repositories["model", repository] = {
        "config.json": b'{"encoder": "vits"}',
        "pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes(),
    }
    path, note = fetch(environment, repository).stdout.strip().split("\n")
    assert note == V2_LICENCE[0]
    plan = recognise(read_checkpoint(Path(path), repository), ExportOptions())
    assert (plan.variant, plan.evidence) == ("depth-anything-v1", f"the published repository {repository}")


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models"]) == 0
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 120
    models = [line for line in said.splitlines() if " M " in line]
    assert len(models) == len(published.PUBLISHED)
    assert len({(line.index(" M "), line.index(" MB ")) for line in models}) == 1, "columns"
    assert "dptscope models --json" in said
    assert cli.run(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [row.name for row in published.PUBLISHED]
    assert all(row["name"] in said and row["hub"] in said and row["licence"] in said for row in rows)
    by_name = {row["name"]: row for row in rows}
    assert by_name["depth_anything_v2_vitb"]["commercial"] == "no"
    assert (
        by_name["depth_anything_v2_vits"]["from"]
        == "depth-anything/Depth-Anything-V2-Small: depth_anything_v2_vits.pth"
    )
    assert by_name["dpt_beit_base_384"]["hash"] is None
    assert by_name["dpt_beit_base_384"]["from"].endswith("/releases/download/v3_1/dpt_beit_base_384.pt")
    assert by_name["dpt_hybrid_384"]["from"].endswith("/releases/download/v3/dpt_hybrid_384.pt")
    assert by_name["dpt_hybrid_384"]["hub"] == "Intel/dpt-hybrid-midas"


@pytest.mark.parametrize("row", published.PUBLISHED, ids=lambda row: row.name)
def test_the_table_agrees_with_itself(row: published.Published) -> None:
    assert row.bytes is None or row.tensor_bytes < row.bytes < row.tensor_bytes * 1.01
    assert row.tensor_bytes >= row.parameters * 4
    if row.hash is not None:
        algorithm, digest = row.hash.split(":")
        assert len(digest) == {"sha256": 64, "blake2b": 128}[algorithm]
    assert dataclasses.asdict(row)["commercial"] == {"Apache-2.0": "yes", "MIT": "yes", "CC-BY-NC-4.0": "no"}.get(
        row.licence, "not stated"
    )


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("depth_anything_v2_vits", ""),
        ("dpt_beit_base_384", ""),
        ("dpt_swin2_tiny_256", ""),
        ("dpt_large_384", ""),
        ("dpt_hybrid_384", ""),
        ("DA3MONO-LARGE", "da3mono_large"),
        *((f"DA3-{size.upper()}", f"da3_{size}") for size in ("small", "base", "large", "giant")),
    ],
)
def test_the_table_agrees_with_the_published_tensors(name: str, listed: str) -> None:
    """Against the lists of names and shapes in ``tests/data/published``."""
    import csv
    import math

    path = Path(__file__).parents[2] / "data" / "published" / f"{listed or name}.tsv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    shape = next(i for i, cell in enumerate(rows[1]) if "x" in cell and cell.replace("x", "").isdigit())
    total = sum(math.prod(int(n) for n in row[shape].split("x")) if row[shape] else 1 for row in rows[1:])
    assert total >= published.BY_NAME[name].parameters


@pytest.mark.parametrize(("name", "variable"), [(RELEASE, "DPTSCOPE_CACHE"), (REPOSITORY, "HF_HOME")])
def test_a_user_without_a_home(host: Host, environment: dict[str, str], name: str, variable: str) -> None:
    """A container with a user id that nobody knows: it says which variable names a folder."""
    host.repositories["model", REPOSITORY] = {"tiny.safetensors": CONTENT}
    homeless = {key: value for key, value in environment.items() if key not in ("HOME", "XDG_CACHE_HOME", variable)}
    unknown = "import pwd\ndef getpwuid(uid):\n    raise KeyError(uid)\npwd.getpwuid = getpwuid\n"
    unknown += "import dptscope_export.pipeline\n"  # with PyTorch, as in the command
    run = subprocess.run(
        [sys.executable, "-c", unknown + FETCH, name], env=homeless, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "no folder to download to" in run.stderr and f"name one in {variable}" in run.stderr


def test_nobody_there(environment: dict[str, str], nobody: subprocess.Popen[str]) -> None:
    assert "not in the Hugging Face cache, and the hub cannot be reached" in nobody.communicate()[1]
    run = fetch({**environment, "DPTSCOPE_RELEASES": NOBODY}, RELEASE)
    assert f"{RELEASE}: the download did not end well" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1

"""The published checkpoints that this project exports: the one table of their names, places, sizes, hashes and licences.

Parameters and tensor bytes are those of the published tensor lists. A file's size and hash stand here where public
records of the file state them, otherwise they are None; nothing is made up. Licences are the publishers' own words: the
Depth Anything authors on V1's weights (Apache-2.0), on V2's sizes (small Apache-2.0, base and large CC-BY-NC-4.0), on V3's
two of one photo (Apache-2.0) and its any-view sizes (small and base Apache-2.0, large and giant CC-BY-NC-4.0), Google on
TIPSv2 and Meta on DINOv2's depthers (Apache-2.0), MiDaS' repository (MIT; its models' copies on the hub say Apache-2.0),
Distill-Any-Depth's model cards (MIT). For the metric fine-tunes of V2 nobody states one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Commercial = Literal["yes", "no", "not stated"]

RELEASES = "https://github.com/isl-org/MiDaS/releases/download/"

_V1_HUB = "LiheYoung/Depth-Anything"
_V2 = "depth-anything-v2"
_NOT_COMMERCIAL = "CC-BY-NC-4.0"


@dataclass(frozen=True)
class HubFile:
    """A file in a repository of the Hugging Face hub."""

    repository: str
    file: str
    kind: Literal["model", "space"] = "model"

    def __str__(self) -> str:
        return f"{'spaces/' if self.kind == 'space' else ''}{self.repository}: {self.file}"


@dataclass(frozen=True)
class HubFolder:
    """A repository of the Hugging Face hub that is a checkpoint as a whole: weights and a config that tells what they are."""

    repository: str

    def __str__(self) -> str:
        return self.repository


@dataclass(frozen=True)
class ReleaseFile:
    """A file of a release, below :data:`RELEASES`."""

    file: str
    release: str

    @property
    def folder(self) -> str:
        """The address of the release's files."""
        return f"{RELEASES}{self.release}/"

    def __str__(self) -> str:
        return self.folder + self.file


@dataclass(frozen=True)
class Published:
    """One published checkpoint.

    Attributes:
        name: what ``dptscope export`` takes: the original file's name without its ending, or the repository's.
        family: for people.
        model: for people.
        parameters: numbers in the original file's tensors that are weights.
        tensor_bytes: bytes of the original file's tensors; the file is larger by its headers.
        place: where the original file is.
        hub: the Hugging Face repository with the same weights in that layout; ``dptscope export`` takes it, too.
        licence: of the weights.
        commercial: whether that licence allows commercial use.
        bytes: size of the original file, where it is known.
        hash: ``algorithm:digest`` of the original file, where it is known.
    """

    name: str
    family: str
    model: str
    parameters: int
    tensor_bytes: int
    place: HubFile | HubFolder | ReleaseFile
    hub: str
    licence: str
    commercial: Commercial
    bytes: int | None = None
    hash: str | None = None


# Letter, word, parameters, bytes of the tensors.
_SIZES = {
    "s": ("Small", 24_785_089, 99_140_356),
    "b": ("Base", 97_470_785, 389_883_140),
    "l": ("Large", 335_315_649, 1_341_262_596),
}


def _v1(size: str, sha256: str, file_bytes: int | None = None) -> Published:
    word, parameters, tensor_bytes = _SIZES[size]
    return Published(
        name=f"depth_anything_vit{size}14",
        family="Depth Anything V1",
        model=f"ViT-{size.upper()}",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFile(_V1_HUB, f"checkpoints/depth_anything_vit{size}14.pth", "space"),
        hub=f"LiheYoung/depth-anything-{word.lower()}-hf",
        licence="Apache-2.0",
        commercial="yes",
        bytes=file_bytes,
        hash=f"sha256:{sha256}",
    )


def _v2(size: str, file_bytes: int, sha256: str) -> Published:
    word, parameters, tensor_bytes = _SIZES[size]
    return Published(
        name=f"depth_anything_v2_vit{size}",
        family="Depth Anything V2",
        model=f"ViT-{size.upper()}",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFile(f"depth-anything/Depth-Anything-V2-{word}", f"depth_anything_v2_vit{size}.pth"),
        hub=f"depth-anything/Depth-Anything-V2-{word}-hf",
        licence="Apache-2.0" if size == "s" else _NOT_COMMERCIAL,
        commercial="yes" if size == "s" else "no",
        bytes=file_bytes,
        hash=f"sha256:{sha256}",
    )


def _v3(kind: str, file_bytes: int | None = None, sha256: str | None = None) -> Published:
    repository = f"depth-anything/DA3{kind.upper()}-LARGE"
    return Published(
        name=repository.partition("/")[2],
        family="Depth Anything 3, of one photo",
        model=f"ViT-L, {kind}",
        parameters=334_171_394,
        tensor_bytes=1_336_685_576,
        place=HubFolder(repository),
        hub=repository,
        licence="Apache-2.0",
        commercial="yes",
        bytes=file_bytes,
        hash=sha256 and f"sha256:{sha256}",
    )


def _any_view(size: str, model: str, parameters: int, tensor_bytes: int, file_bytes: int | None = None) -> Published:
    """Parameters and bytes are of the file, with the cameras, rays and Gaussians that one photo has no use for."""
    repository = f"depth-anything/DA3-{size}"
    free = size in ("SMALL", "BASE")
    return Published(
        name=repository.partition("/")[2],
        family="Depth Anything 3, any-view, on one photo",
        model=model,
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFolder(repository),
        hub=repository,
        licence="Apache-2.0" if free else _NOT_COMMERCIAL,
        commercial="yes" if free else "no",
        bytes=file_bytes,
    )


def _metric(place: str, data: str, size: str, file_bytes: int, sha256: str) -> Published:
    word, parameters, tensor_bytes = _SIZES[size]
    file = f"depth_anything_v2_metric_{data.lower()}_vit{size}"
    return Published(
        name=file,
        family=f"Depth Anything V2, metric, {place.lower()}",
        model=f"ViT-{size.upper()}",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFile(f"depth-anything/Depth-Anything-V2-Metric-{data}-{word}", f"{file}.pth"),
        hub=f"depth-anything/Depth-Anything-V2-Metric-{place}-{word}-hf",
        licence="not stated",
        commercial="not stated",
        bytes=file_bytes,
        hash=f"sha256:{sha256}",
    )


def _distill(size: str) -> Published:
    word, parameters, tensor_bytes = _SIZES[size]
    repository = f"xingyang1/Distill-Any-Depth-{word}-hf"
    return Published(
        name=repository.partition("/")[2],
        family="Distill-Any-Depth (Depth Anything V2, trained anew)",
        model=f"ViT-{size.upper()}",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFolder(repository),
        hub=repository,
        licence="MIT",
        commercial="yes",
    )


def _retrained(name: str, family: str, size: str, place: HubFile, licence: str, commercial: Commercial) -> Published:
    """Others' training of V2's network, in a file whose name tells nobody which blocks feed the fusion."""
    _, parameters, tensor_bytes = _SIZES[size]
    return Published(
        name=name,
        family=f"{family}: with --variant {_V2}",
        model=f"ViT-{size.upper()}",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=place,
        hub=place.repository,
        licence=licence,
        commercial=commercial,
    )


def _midas(name: str, model: str, parameters: int, tensor_bytes: int, known_hash: str | None = None) -> Published:
    return Published(
        name=name,
        family="MiDaS 3.1",
        model=model,
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=ReleaseFile(f"{name}.pt", "v3_1"),
        hub="Intel/" + name.replace("_", "-").replace("swin2", "swinv2"),
        licence="MIT",
        commercial="yes",
        hash=known_hash,
    )


def _midas_3_0(name: str, model: str, parameters: int, tensor_bytes: int, hub: str) -> Published:
    return Published(
        name=name,
        family="MiDaS 3.0",
        model=model,
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=ReleaseFile(f"{name}.pt", "v3"),
        hub=hub,
        licence="MIT",
        commercial="yes",
    )


def _tips(size: str, parameters: int, tensor_bytes: int) -> Published:
    repository = f"google/tipsv2-{size}14-dpt"
    return Published(
        name=repository.partition("/")[2],
        family="TIPSv2-DPT (with a register)",
        model=f"ViT-{size.upper()}, metric, NYU",
        parameters=parameters,
        tensor_bytes=tensor_bytes,
        place=HubFolder(repository),
        hub=repository,
        licence="Apache-2.0",
        commercial="yes",
    )


# Word, letter, parameters.
_DINOV2 = (
    ("small", "S", 37_197_601),
    ("base", "B", 111_954_049),
    ("large", "L", 339_738_305),
    ("giant", "G", 1_199_461_185),
)


def _dinov2(word: str, letter: str, parameters: int, data: str) -> Published:
    repository = f"facebook/dpt-dinov2-{word}-{data.lower()}"
    return Published(
        name=repository.partition("/")[2],
        family="DPT on DINOv2",
        model=f"ViT-{letter}, metric, {data}",
        parameters=parameters,
        tensor_bytes=4 * parameters,
        place=HubFolder(repository),
        hub=repository,
        licence="Apache-2.0",
        commercial="yes",
    )


PUBLISHED: tuple[Published, ...] = (
    _v1("s", "59afe57cfd9f4284deaf5b753d954723d7136ae842fba3e068ba03537ca1e60e"),
    _v1("b", "64ae214ae4e27424b644c49464c0aa243016f6f753d95097c8eb9ad0b9cb2d9b"),
    _v1("l", "6c6a383e33e51c5fdfbf31e7ebcda943973a9e6a1cbef1564afe58d7f2e8fe63", 1_341_401_882),
    _v2("s", 99_218_434, "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378"),
    _v2("b", 389_961_218, "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328"),
    _v2("l", 1_341_395_338, "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345"),
    _metric("Indoor", "Hypersim", "s", 99_222_290, "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545"),
    _metric("Indoor", "Hypersim", "b", 389_965_138, "9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2"),
    _metric(
        "Indoor", "Hypersim", "l", 1_341_401_882, "6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d"
    ),
    _metric("Outdoor", "VKITTI", "s", 99_221_808, "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb"),
    _metric("Outdoor", "VKITTI", "b", 389_964_656, "4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e"),
    _metric(
        "Outdoor", "VKITTI", "l", 1_341_401_064, "239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38"
    ),
    _v3("mono"),
    _v3("metric", 1_336_734_448, "bbea5b0b3ee389849cffa7ddae89de064a90abd2b055fc5aa99aac68db324776"),
    _any_view("SMALL", "ViT-S", 34_299_463, 137_197_852),
    _any_view("BASE", "ViT-B", 135_366_599, 541_466_396),
    _any_view("LARGE", "ViT-L", 410_941_767, 1_643_767_068, 1_643_843_860),
    _any_view("GIANT", "ViT-G", 1_355_674_125, 5_422_696_500),
    _distill("s"),
    _distill("l"),
    _retrained(
        "Distill-Any-Depth-Base",
        "Distill-Any-Depth, the authors' own file",
        "b",
        HubFile("xingyang1/Distill-Any-Depth", "base/model.safetensors"),
        "MIT",
        "yes",
    ),
    _retrained(
        "depth_anything_AC_vits",
        "Depth-Anything-AC",
        "s",
        HubFile("ghost233lism/DepthAnything-AC", "depth_anything_AC_vits.pth"),
        "not stated",
        "not stated",
    ),
    _tips("b", 158_007_257, 632_029_028),
    _tips("l", 405_695_641, 1_622_782_564),
    *(_dinov2(*size, data) for data in ("NYU", "KITTI") for size in _DINOV2),
    _midas_3_0("dpt_large_384", "ViT-L, 384", 344_055_465, 1_376_221_860, "Intel/dpt-large"),
    _midas_3_0("dpt_hybrid_384", "ResNet, ViT-B", 123_146_985, 492_587_940, "Intel/dpt-hybrid-midas"),
    _midas("dpt_beit_base_384", "BEiT-B, 384", 111_531_689, 478_087_940),
    _midas("dpt_beit_large_384", "BEiT-L, 384", 344_338_601, 1_441_276_772),
    _midas(
        "dpt_beit_large_512",
        "BEiT-L, 512",
        345_014_441,
        1_581_777_764,
        "blake2b:66cbb00ea7bccd6e43d3fd277bd21002d8d8c2c5c487e5fcd1e1d70c691688a1"
        "9122418b3ddfa94e62ab9f086957aa67bbec39afe2b41c742aaaf0699ee50b33",
    ),
    _midas("dpt_swin2_tiny_256", "Swin V2-T, 256", 41_701_331, 172_048_204),
    _midas("dpt_swin2_base_384", "Swin V2-B, 384", 102_378_913, 436_057_732),
    _midas("dpt_swin2_large_384", "Swin V2-L, 384", 213_411_869, 880_189_556),
)

BY_NAME = {published.name: published for published in PUBLISHED}

# Repository of the hub to the name of its model. The authors keep V1 in repositories of PyTorchModelHubMixin, too.
REPOSITORIES = {
    **{published.hub: published.name for published in PUBLISHED},
    **{f"LiheYoung/{name}": name for name in BY_NAME if name.startswith("depth_anything_vit")},
    **{
        published.place.repository: published.name
        for published in PUBLISHED
        if isinstance(published.place, HubFile) and published.place.kind == "model"
    },
}

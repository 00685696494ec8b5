"""Traps of files: truncated, without preamble, hostile, or not images."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    MPEG4HP41,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    RTDoseStorage,
)

from medcl.testing.phantom import encoded, files, image, put, series, tissue
from medcl.testing.traps.base import Files, TrapCollection
from medcl.testing.traps.images import GRAY, projection

TRAPS = TrapCollection()
trap = TRAPS.trap
PIXELS = b"\xe0\x7f\x10\x00"


@trap("24", flags="NO_PREAMBLE")
def no_preamble() -> Files:
    """No preamble and no meta header."""
    return {name: content[_data_start(content) :] for name, content in files(series()).items()}


@trap("24", flags="NO_PREAMBLE")
def no_preamble_implicit() -> Files:
    """No preamble, no meta header, implicit VR."""
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return {name: content[_data_start(content) :] for name, content in files(slices).items()}


def _data_start(content: bytes) -> int:
    """Return the offset of the data set, from the length stated in the meta header."""
    return 144 + int(struct.unpack_from("<I", content, 140)[0])


@trap("25", flags="GAP", reasons="TRUNCATED", unused=1)
def truncated() -> Files:
    """One file is cut off inside its pixels."""
    contents = files(series())
    name = list(contents)[5]
    return {**contents, name: contents[name][:-1000]}


@trap("25", reasons="TRUNCATED", unused=1, flags="GAP")
def truncated_compressed() -> Files:
    """One compressed file is cut off."""
    slices = series()
    for ds in slices:
        ds.compress(RLELossless, generate_instance_uid=False)
    contents = files(slices)
    name = list(contents)[5]
    return {**contents, name: contents[name][:-200]}


@trap("26", unused=5, reasons="NO_PIXELS DICOMDIR")
def no_images() -> Files:
    """Files that are not images lie beside the series."""
    report = put(image(GRAY), PixelData=None, Rows=None, Modality="SR")
    directory = put(image(GRAY), PixelData=None, Rows=None)
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    return {**files(series()), "empty": b"", "noise": b"\xff" + noise, "text": b"notes on the scan\n",
            "report": encoded(report), "DICOMDIR": encoded(directory)}  # fmt: skip


@trap("+", outcome="refused", reasons="BOMB", unused=1)
def deflate_bomb() -> Files:
    """A deflate bomb: 1 MB that unpacks to 1 GB."""
    ds = image(GRAY)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole = encoded(ds)
    start = _data_start(whole)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = zlib.decompress(whole[start:], -15)
    header = plain[: plain.index(PIXELS)]
    packed = packer.compress(header + PIXELS + b"OW\0\0" + struct.pack("<I", 1 << 30))
    packed += packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += zeros * 1024 + packer.flush()
    return {"bomb": whole[:start] + packed}


@trap("+", outcome="refused", unused=1, reasons="TOO_LARGE")
def absurd_size() -> Files:
    """65535 x 65535 pixels of 3 samples in 100,000 frames claimed."""
    ds = projection(GRAY)
    return {"one": encoded(put(ds, Rows=65535, Columns=65535, NumberOfFrames=100000))}


@trap("+", outcome="refused", unused=1, reasons="BOMB")
def absurd_compressed() -> Files:
    """A compressed file of 3 KB that claims 2 GB."""
    ds = projection(GRAY)
    ds.compress(RLELossless, generate_instance_uid=False)
    return {"one": encoded(put(ds, Rows=30000, Columns=30000))}


def _nested(depth: int) -> bytes:
    """Return sequences of undefined length inside each other."""
    begin = struct.pack("<HH2sHI", 0x0040, 0x0100, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * depth + end * depth


@trap("+")
def nested_sequences() -> Files:
    """Sequences nested 1,000 deep."""
    contents = files(series())
    deep = list(contents)[4]
    return {**contents, deep: _before_pixels(contents[deep], _nested(1000))}


def _before_pixels(content: bytes, extra: bytes) -> bytes:
    offset = content.rindex(PIXELS + b"OW")
    return content[:offset] + extra + content[offset:]


@trap("+")
def unknown_sequence() -> Files:
    """A private sequence of VR UN and undefined length."""
    inner = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + struct.pack("<HHI", 0x0008, 0x0060, 2) + b"MR"
    inner += b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    element = struct.pack("<HH2sHI", 0x0041, 0x1001, b"UN", 0, 0xFFFFFFFF) + inner
    return {name: _before_pixels(content, element) for name, content in files(series()).items()}


@trap("+", flags="BAD_VR")
def illegal_values() -> Files:
    """Values that their VR forbids, and an unknown character set."""
    contents = files(series(SpecificCharacterSet="ISO_IR 100", WindowCenter=40, EchoTime="11.00"))
    return {
        name: content.replace(b"ISO_IR 100", b"ISO_IR 999").replace(b"11.00 ", b"eleven")
        for name, content in contents.items()
    }


@trap("+")
def private_explosion() -> Files:
    """Thousands of private elements before the pixels."""

    def element(number: int) -> bytes:
        return (
            struct.pack("<HH2sH", 0x0041 + 2 * (number // 200), 0x1000 + number % 200, b"LO", 8) + b"private "
        )

    extra = b"".join(element(number) for number in range(3000))
    return {name: _before_pixels(content, extra) for name, content in files(series()).items()}


@trap("+")
def fragments() -> Files:
    """Fragmented frames behind a wrong offset table."""
    slices = series()
    for ds in slices:
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        stream = ds.PixelData[20:]
        whole = encapsulate([stream], fragments_per_frame=3, has_bot=False)
        ds.PixelData = whole.replace(b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\x04\0\0\0\x40\0\0\0", 1)
    return files(slices)


@trap("+", flags="TRAILING_DATA")
def trailing_bytes() -> Files:
    """Bytes follow the pixels."""
    return files(put(ds, PixelData=ds.PixelData + bytes(64)) for ds in series())


@trap("+", outcome="refused", reasons="VIDEO", unused=1)
def video() -> Files:
    """An encoded video."""
    ds = projection(GRAY, "ES")
    ds.file_meta.TransferSyntaxUID = MPEG4HP41
    ds.PixelData = encapsulate([b"\0\0\0\x18ftypmp42" + bytes(200)])
    ds["PixelData"].is_undefined_length = True
    return {"one": encoded(ds)}


@trap("+", outcome="refused", reasons="DOSE", unused=1)
def dose() -> Files:
    """A dose grid."""
    ds = series(Modality="RTDOSE")[0]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    return {"one": encoded(ds)}


@trap("+", flags="DERIVED LOSSY")
def derived_lossy() -> Files:
    """Derived images, lossily compressed once."""
    kind = ["DERIVED", "SECONDARY", "MPR"]
    return files(series(ImageType=kind, LossyImageCompression="01", SOPClassUID=CTImageStorage))


@trap("+")
def icons() -> Files:
    """Every slice carries an icon in a sequence."""
    icon = put(Dataset(), Rows=8, Columns=8, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
               BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0,
               PixelData=bytes(64))  # fmt: skip
    icon["PixelData"].VR = "OB"
    return files(series(truth=tissue, IconImageSequence=Items([icon])))

"""Traps of files: cut off, without preamble, hostile, or no images at all."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

from medcl.testing.phantom import encoded, files, image, put, series, tissue
from medcl.testing.traps.base import Catalog, Files
from medcl.testing.traps.pictures import GRAY, projection

CATALOG = Catalog()
trap = CATALOG.trap
PIXELS = b"\xe0\x7f\x10\x00"


@trap("24", "no preamble and no meta header", flags="NO_PREAMBLE")
def no_preamble() -> Files:
    return {name: content[_data_start(content) :] for name, content in files(series()).items()}


@trap("24", "no preamble, no meta header, implicit VR", flags="NO_PREAMBLE")
def no_preamble_implicit() -> Files:
    slices = series()
    for ds in slices:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    return {name: content[_data_start(content) :] for name, content in files(slices).items()}


def _data_start(content: bytes) -> int:
    """Return where the data set begins, by the length that the meta header states."""
    return 144 + int(struct.unpack_from("<I", content, 140)[0])


@trap("25", "one file is cut off inside its pixels", flags="GAP", reasons="TRUNCATED", unused=1)
def truncated() -> Files:
    made = files(series())
    name = list(made)[5]
    return {**made, name: made[name][:-1000]}


@trap("25", "one compressed file is cut off", reasons="TRUNCATED", unused=1, flags="GAP")
def truncated_compressed() -> Files:
    slices = series()
    for ds in slices:
        ds.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    made = files(slices)
    name = list(made)[5]
    return {**made, name: made[name][:-200]}


@trap("26", "files that are no images stand beside the series", unused=5,
      reasons="NO_PIXELS DICOMDIR")  # fmt: skip
def no_images() -> Files:
    report = put(image(GRAY), PixelData=None, Rows=None, Modality="SR")
    directory = put(image(GRAY), PixelData=None, Rows=None)
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    return {**files(series()), "empty": b"", "noise": b"\xff" + noise, "text": b"notes on the scan\n",
            "report": encoded(report), "DICOMDIR": encoded(directory)}  # fmt: skip


@trap("+", "a deflate bomb: 1 MB that unpacks to 1 GB", outcome="refused", reasons="BOMB", unused=1)
def deflate_bomb() -> Files:
    ds = image(GRAY)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
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


@trap("+", "65535 x 65535 pixels of 3 samples in 100,000 frames claimed", outcome="refused", unused=1,
      reasons="TOO_LARGE")  # fmt: skip
def absurd_size() -> Files:
    ds = projection(GRAY)
    return {"one": encoded(put(ds, Rows=65535, Columns=65535, NumberOfFrames=100000))}


@trap("+", "a compressed file of 3 KB that claims 2 GB", outcome="refused", unused=1, reasons="BOMB")
def absurd_compressed() -> Files:
    ds = projection(GRAY)
    ds.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return {"one": encoded(put(ds, Rows=30000, Columns=30000))}


def _nested(depth: int) -> bytes:
    """Return sequences of undefined length inside each other."""
    begin = struct.pack("<HH2sHI", 0x0040, 0x0100, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * depth + end * depth


@trap("+", "sequences nested 1,000 deep")
def nested_sequences() -> Files:
    made = files(series())
    deep = list(made)[4]
    return {**made, deep: _before_pixels(made[deep], _nested(1000))}


def _before_pixels(content: bytes, extra: bytes) -> bytes:
    at = content.rindex(PIXELS + b"OW")
    return content[:at] + extra + content[at:]


@trap("+", "a private sequence of VR UN and undefined length")
def unknown_sequence() -> Files:
    inner = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + struct.pack("<HHI", 0x0008, 0x0060, 2) + b"MR"
    inner += b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    element = struct.pack("<HH2sHI", 0x0041, 0x1001, b"UN", 0, 0xFFFFFFFF) + inner
    return {name: _before_pixels(content, element) for name, content in files(series()).items()}


@trap("+", "values that their VR forbids, and an unknown character set", flags="BAD_VR")
def illegal_values() -> Files:
    made = files(series(SpecificCharacterSet="ISO_IR 100", WindowCenter=40, EchoTime="11.00"))
    return {
        name: content.replace(b"ISO_IR 100", b"ISO_IR 999").replace(b"11.00 ", b"eleven")
        for name, content in made.items()
    }


@trap("+", "thousands of private elements before the pixels")
def private_explosion() -> Files:
    def element(number: int) -> bytes:
        return (
            struct.pack("<HH2sH", 0x0041 + 2 * (number // 200), 0x1000 + number % 200, b"LO", 8) + b"private "
        )

    extra = b"".join(element(number) for number in range(3000))
    return {name: _before_pixels(content, extra) for name, content in files(series()).items()}


@trap("+", "fragmented frames behind a wrong offset table")
def fragments() -> Files:
    slices = series()
    for ds in slices:
        ds.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
        stream = ds.PixelData[20:]
        whole = encapsulate([stream], fragments_per_frame=3, has_bot=False)
        ds.PixelData = whole.replace(b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\x04\0\0\0\x40\0\0\0", 1)
    return files(slices)


@trap("+", "bytes follow the pixels", flags="TRAILING_DATA")
def trailing_bytes() -> Files:
    return files(put(ds, PixelData=ds.PixelData + bytes(64)) for ds in series())


@trap("+", "an encoded video", outcome="refused", reasons="VIDEO", unused=1)
def video() -> Files:
    ds = projection(GRAY, "ES")
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    ds.PixelData = encapsulate([b"\0\0\0\x18ftypmp42" + bytes(200)])
    ds["PixelData"].is_undefined_length = True
    return {"one": encoded(ds)}


@trap("+", "a dose grid", outcome="refused", reasons="DOSE", unused=1)
def dose() -> Files:
    ds = series(Modality="RTDOSE")[0]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
    return {"one": encoded(ds)}


@trap("+", "derived images, lossily compressed once", flags="DERIVED LOSSY")
def derived_lossy() -> Files:
    kind = ["DERIVED", "SECONDARY", "MPR"]
    return files(series(ImageType=kind, LossyImageCompression="01", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))


@trap("+", "every slice carries an icon and a sequence of its own")
def icons() -> Files:
    icon = put(Dataset(), Rows=8, Columns=8, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
               BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0,
               PixelData=bytes(64))  # fmt: skip
    icon["PixelData"].VR = "OB"
    return files(series(truth=tissue, IconImageSequence=Items([icon])))

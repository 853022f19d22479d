import io
import os
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from leukolens.core.errors import InputRefused
from leukolens.core.pixels import Pixels
from leukolens.images import decoding as images
from leukolens.images.decoding import decode_image, measure_size, read_bytes, read_image, split_reference

Draw = Callable[..., Pixels]


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def valid_files() -> list[bytes]:
    ramp = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(16, 12, 3)
    image = Image.fromarray(ramp)
    return [
        encode(image, "JPEG"),
        encode(image, "PNG"),
        encode(image, "WEBP"),
        encode(image, "TIFF", compression="tiff_lzw"),
        encode(image, "BMP"),
        encode(image.quantize(8), "PNG"),
    ]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_come_back_as_they_were(kind: str, picture: Draw) -> None:
    pixels = picture(1)
    decoded = decode_image(encode(Image.fromarray(pixels), kind))
    assert decoded.pixels.dtype == np.uint8
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.warnings == ()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_back_nearly(kind: str, picture: Draw) -> None:
    pixels = picture(2)
    decoded = decode_image(encode(Image.fromarray(pixels), kind, quality=95)).pixels
    assert np.abs(decoded.astype(int) - pixels).mean() < 3


def test_lossless_webp_and_palette_png(picture: Draw) -> None:
    pixels = picture(3)
    assert np.array_equal(decode_image(encode(Image.fromarray(pixels), "WEBP", lossless=True)).pixels, pixels)
    palette = Image.fromarray(pixels).quantize(16)
    assert np.array_equal(decode_image(encode(palette, "PNG")).pixels, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_to_8(kind: str) -> None:
    values = np.array([[0, 256, 32768], [40000, 65534, 65535]], np.uint16)
    decoded = decode_image(encode(Image.fromarray(values), kind))
    by_hand = [[0, 1, 128], [156, 255, 255]]  # v * 255 / 65535, rounded
    assert decoded.pixels[:, :, 0].tolist() == by_hand
    assert decoded.pixels.shape == (2, 3, 3)


def write_tiff(values: np.ndarray, planar: bool = False, photometric: int = 1) -> bytes:
    """A little-endian, uncompressed TIFF of one strip a plane, `(h, w)` or `(planes, h, w)` of 8 or 16 bits (TIFF 6.0)."""
    planes = np.atleast_3d(values.T).T if values.ndim == 2 else values
    count, height, width = planes.shape
    bits, size = planes.dtype.itemsize * 8, planes[0].nbytes
    entries = [(256, 3, width), (257, 3, height), (258, 3, [bits] * count), (259, 3, 1), (262, 3, photometric)]
    entries += [
        (273, 4, [0] * count),
        (277, 3, count),
        (278, 3, height),
        (279, 4, [size] * count),
        (284, 3, 1 + planar),
    ]
    start = 8 + 2 + 12 * len(entries) + 4
    strips = start + 3 * 2 * 4 * count
    table, extra = b"", b""
    for tag, kind, value in entries:
        if tag == 273:
            value = [strips + index * size for index in range(count)]
        numbers = value if isinstance(value, list) else [value]
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", start + len(extra)), extra + packed
        table += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + table + b"\0" * 4
    return (head + extra).ljust(strips, b"\0") + planes.tobytes()


def test_planes_of_16_bits_are_refused_and_not_shown_as_stripes(picture: Draw) -> None:
    # Pillow 13.0.0 reads them as stripes without a word: findings/pillow-planar-16-bit-tiff.sh. The right picture is known.
    planes = picture(4).transpose(2, 0, 1)
    assert np.array_equal(decode_image(write_tiff(planes, planar=True, photometric=2)).pixels, picture(4))
    with pytest.raises(InputRefused, match=r"separate planes.*interleaved"):
        decode_image(write_tiff(planes.astype(np.uint16) * 257, planar=True, photometric=2))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_whose_zero_is_white_is_no_negative(kind: type) -> None:
    # Pillow 13.0.0 turns 8 bits round and leaves 16 bits: findings/pillow-inverted-16-bit-grey.sh.
    values = np.array([[0, 64], [128, 255]]).astype(kind) * kind(np.iinfo(kind).max // 255)
    decoded = decode_image(write_tiff(values, photometric=0)).pixels[:, :, 1]
    assert decoded.tolist() == [[255, 191], [127, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_the_size_told_beforehand_is_that_of_the_decoded_picture(kind: str, orientation: int) -> None:
    # Pillow 13.0.0 gives a TIFF's size already turned, that of other formats not: findings/pillow-tiff-turned-size.sh.
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", (100, 40)), kind, exif=exif)
    expected = (100, 40) if orientation < 5 else (40, 100)
    assert measure_size(data) == decode_image(data).pixels.shape[1::-1] == expected


def test_8_bit_numbers_in_a_16_bit_file_are_not_black() -> None:
    values = np.array([[0, 100], [200, 250]], np.uint16)
    decoded = decode_image(encode(Image.fromarray(values), "TIFF"))
    assert decoded.pixels[:, :, 2].tolist() == [[0, 100], [200, 250]]
    assert "up to 250" in decoded.warnings[0]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bare_png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def test_16_bit_colour_png() -> None:
    # Written by hand: Pillow cannot save it. One row: full red; half of each.
    row = b"\0" + struct.pack(">6H", 65535, 0, 0, 32896, 32896, 32896)
    assert decode_image(bare_png(2, 1, 16, 2, row)).pixels.tolist() == [[[255, 0, 0], [128, 128, 128]]]


def test_transparency_lies_over_white() -> None:
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    expected = [[[200, 0, 0], [255, 255, 255], [127, 127, 127]]]
    assert decode_image(encode(Image.fromarray(rgba), "PNG")).pixels.tolist() == expected
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    data = encode(palette, "PNG", transparency=0)
    assert decode_image(data).pixels.tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_cmyk_and_grey_jpeg(picture: Draw) -> None:
    pixels = picture(4)
    cmyk = decode_image(encode(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95)).pixels
    assert np.abs(cmyk.astype(int) - pixels).mean() < 5
    grey = decode_image(encode(Image.fromarray(pixels).convert("L"), "JPEG")).pixels
    assert grey.shape == pixels.shape
    assert np.array_equal(grey[:, :, 0], grey[:, :, 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_undone(kind: str, orientation: int, turned: int, picture: Draw) -> None:
    pixels = picture(5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(pixels), kind, exif=exif, quality=95)
    decoded = decode_image(data).pixels
    expected = np.rot90(pixels, turned)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 4
    assert measure_size(data) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "PNG", "MPO"])
def test_first_frame_is_read_with_a_warning(kind: str, picture: Draw) -> None:
    frames = [Image.fromarray(picture(seed)) for seed in (6, 7)]
    options = {} if kind == "MPO" else {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    decoded = decode_image(data)
    assert np.abs(decoded.pixels.astype(int) - np.asarray(frames[0])).mean() < 8
    assert any("only the first" in note for note in decoded.warnings)


@pytest.mark.parametrize("data", valid_files()[:4])
def test_truncated_files_are_refused(data: bytes) -> None:
    with pytest.raises(InputRefused):
        decode_image(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("data", [b"dear doctor, here is the cell", b"\0" * 100, b"GIF89a" + b"\0" * 40, b"%PDF-1.4"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InputRefused, match="expected JPEG, PNG, WebP, TIFF, BMP or HEIC"):
        decode_image(data)


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = bare_png(30_000, 30_000, 8, 2, b"\0" * 100)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputRefused, match="200 megapixels"):
            decode_image(bomb)
        with pytest.raises(InputRefused, match="200 megapixels"):
            measure_size(bomb)
    assert time.perf_counter() - started < 1  # decoding it would take many seconds and 2.7 GB


def test_a_large_picture_below_the_limit_brings_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns from here and raises from 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(encode(Image.new("RGB", (40, 40)), "PNG")).pixels.shape == (40, 40, 3)


def test_what_lies_at_a_path_and_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    reasons = {"empty": "zero bytes", "folder": "not a regular", "loop": "leads nowhere", "pipe": "not a regular"}
    for name, why in reasons.items():
        with pytest.raises(InputRefused, match=why):
            read_image(tmp_path / f"{name}.jpg")
    with pytest.raises(InputRefused, match="does not exist"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(InputRefused):
        read_image("nul\0byte.jpg")


def test_no_permission_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(b"x")

    def deny(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)  # root may read anything, so chmod alone proves nothing
    with pytest.raises(InputRefused, match="Permission denied"):
        read_bytes(path)


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(b"x" * 2000)
    assert len(read_bytes(path, 2000)) == 2000
    with pytest.raises(InputRefused, match="too large"):
        read_bytes(path, 1999)


@pytest.mark.parametrize("name", ["two words.png", "line\nbreak.png", os.fsdecode(b"caf\xe9.png"), "=cmd.png"])
def test_odd_names(name: str, tmp_path: Path, picture: Draw) -> None:
    Image.fromarray(picture(8)).save(tmp_path / "plain.png")
    os.rename(tmp_path / "plain.png", tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name).pixels, picture(8))


def test_references() -> None:
    assert split_reference("a/b.zip::c/d.png") == (Path("a/b.zip"), "c/d.png")
    assert split_reference("a/B.ZIP::c\nd.png") == (Path("a/B.ZIP"), "c\nd.png")
    assert split_reference("a/b.png") == (Path("a/b.png"), None)


def test_a_broken_exif_block_does_not_cost_the_picture(picture: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(images.ImageOps, "exif_transpose", fail)
    decoded = decode_image(encode(Image.fromarray(picture(9)), "PNG"))
    assert np.array_equal(decoded.pixels, picture(9))
    assert "EXIF" in decoded.warnings[0]


def encode_heif(pixels: Pixels, orientation: int = 1) -> bytes:
    library = pytest.importorskip("pillow_heif", reason="the phone extra is not installed")
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    library.from_pillow(Image.fromarray(pixels)).save(stream, quality=90, exif=exif.tobytes())
    return stream.getvalue()


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_heic_is_read_upright(orientation: int, turned: int, picture: Draw, tmp_path: Path) -> None:
    pixels = picture(10)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(encode_heif(pixels, orientation))
    decoded = read_image(path)
    expected = np.rot90(pixels, turned)
    assert decoded.pixels.shape == expected.shape and decoded.warnings == ()
    assert np.abs(decoded.pixels.astype(int) - expected).mean() < 8
    assert measure_size(path.read_bytes()) == (expected.shape[1], expected.shape[0])


def test_heic_has_the_same_guards(picture: Draw) -> None:
    data = encode_heif(picture(11).repeat(2, 0).repeat(2, 1)[:64, :64])  # a size that no encoder pads
    for end in (20, len(data) // 2, len(data) - 50):
        with pytest.raises(InputRefused, match="damaged"):
            decode_image(data[:end])
    for claimed, why in (((30_000, 30_000), "200 megapixels"), ((8, 8), "damaged")):
        # The size that the header claims must be the size that is decoded, else the limit is none.
        liar = data.replace(struct.pack(">II", 64, 64), struct.pack(">II", *claimed))
        with pytest.raises(InputRefused, match=why):
            decode_image(liar)


def test_heic_without_its_library_names_the_extra(picture: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    start = b"\0\0\0\x1cftypheic\0\0\0\0"
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for reader in (decode_image, measure_size):
        with pytest.raises(InputRefused, match=r"leukolens\[phone\]"):
            reader(start)


def only_refuses(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own remarks on broken metadata
        for reader in (decode_image, measure_size):
            try:
                reader(data)
            except InputRefused as refusal:
                assert str(refusal)


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    only_refuses(data)


@given(
    st.sampled_from(valid_files()),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6)), max_size=6),
    st.integers(0, 2000),
)
def test_mutated_pictures_decode_or_are_refused(data: bytes, edits: list[tuple[int, bytes]], end: int) -> None:
    mutated = bytearray(data)
    for place, value in edits:
        mutated[place % len(data) : place % len(data) + len(value)] = value
    only_refuses(bytes(mutated[: max(end, 20)]))


@given(st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6))
def test_mutated_heic_decodes_or_is_refused(edits: list[tuple[int, bytes]]) -> None:
    mutated = bytearray(encode_heif(np.arange(16 * 12 * 3, dtype=np.uint8).reshape(16, 12, 3)))
    for place, value in edits:
        place %= len(mutated) - 6
        mutated[place : place + len(value)] = value
    only_refuses(bytes(mutated))

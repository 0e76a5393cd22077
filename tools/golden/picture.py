#!/usr/bin/python3
"""Makes the golden files of internal/picture with Pillow, libjpeg-turbo,
libwebp and PyTorch. The tests do not need it; it makes their files again:

    /usr/bin/python3 tools/golden/picture.py

decode/NAME       a picture file, drawn here
decode/NAME.png   the result of Pillow's convert("RGB")
resize/SRC.png, resize/SRC-WxH.png       Pillow's BILINEAR
float/SRCWxSRCH-DSTWxDSTH.f32            input, then PyTorch's output, float32 little endian
antialiased/SRCWxSRCH-DSTWxDSTH.f32      the same with antialias=True
"""
import io
import os
import shutil

import numpy as np
import torch
from PIL import Image

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "picture", "testdata", "golden")


def scene(w, h, seed=1):
    """Ramps, a disc, stripes and a little noise: smooth parts and hard colour edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    a = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 128 + 100 * np.sin(x / 7 + y / 5)], -1)
    a[(x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(w, h) / 3) ** 2] = (220, 30, 40)
    a[(x.astype(int) // 4 % 5 == 0) & (y > h * 0.7)] = (20, 60, 230)
    a += rng.normal(0, 4, a.shape)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def put(name, data):
    path = os.path.join(OUT, "decode", name)
    with open(path, "wb") as f:
        f.write(data)
    expected = Image.open(io.BytesIO(data))
    if expected.mode.startswith("I"):  # 16-bit grey: v/257 as viewers show it; Pillow's convert clips at 255
        expected = Image.fromarray(np.round(np.asarray(expected) / 257).astype(np.uint8))
    expected.convert("RGB").save(path + ".png", optimize=True)


def save(image, fmt, **options):
    b = io.BytesIO()
    image.save(b, fmt, **options)
    return b.getvalue()


def sampling(data, old, new):
    """Rewrites the sampling factors of a JPEG's luma; the number of blocks must stay right."""
    at = data.index(b"\xff\xc0")
    assert data[at + 11] == old
    return data[:at + 11] + bytes([new]) + data[at + 12:]


def jpegs():
    for w, h in (97, 67), (64, 48), (5, 3), (3, 5), (1, 1), (4, 4), (6, 2), (33, 1), (1, 33):
        for n, s in ("444", 0), ("422", 1), ("420", 2):
            put(f"{n}-{w}x{h}.jpg", save(scene(w, h), "JPEG", quality=85, subsampling=s))
    put("progressive.jpg", save(scene(83, 61), "JPEG", quality=80, progressive=True))
    put("optimized.jpg", save(scene(83, 61), "JPEG", quality=40, optimize=True))
    put("gray.jpg", save(scene(53, 41).convert("L"), "JPEG", quality=85))
    put("cmyk.jpg", save(scene(53, 41).convert("CMYK"), "JPEG", quality=90))
    # Pictures with equally many blocks in both layouts: 4:2:2 and 4:4:0, 4:2:0 and 4:1:1.
    put("440.jpg", sampling(save(scene(48, 48), "JPEG", quality=85, subsampling=1), 0x21, 0x12))
    put("411.jpg", sampling(save(scene(64, 64), "JPEG", quality=85, subsampling=2), 0x22, 0x41))
    # Adobe's colour transform 2 on the same data makes YCCK of CMYK.
    cmyk = save(scene(53, 41).convert("CMYK"), "JPEG", quality=90)
    at = cmyk.index(b"Adobe")
    put("ycck.jpg", cmyk[:at + 11] + b"\x02" + cmyk[at + 12:])
    put("cmyk-bare.jpg", cmyk[:at - 4] + cmyk[at + 12:])  # without the Adobe segment
    # Without JFIF and with Adobe's transform 0, the components are R, G, B.
    rgb = save(scene(40, 30), "JPEG", quality=90, subsampling=0)
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    put("rgb.jpg", rgb[:2] + adobe + rgb[20:])


def others():
    s = scene(45, 31)
    rgba = s.convert("RGBA")
    rgba.putalpha(Image.fromarray(np.tile(np.arange(45, dtype=np.uint8) * 5, (31, 1))))
    put("rgb.png", save(s, "PNG"))
    put("rgba.png", save(rgba, "PNG"))
    put("gray.png", save(s.convert("L"), "PNG"))
    put("bit.png", save(s.convert("1"), "PNG"))
    put("la.png", save(rgba.convert("LA"), "PNG"))
    put("palette.png", save(s.quantize(13), "PNG"))
    put("palette-transparent.png", save(s.quantize(13), "PNG", transparency=3))
    put("rgb-transparent.png", save(s, "PNG", transparency=(220, 30, 40)))
    gray16 = Image.fromarray((np.arange(45 * 31, dtype=np.uint16).reshape(31, 45) * 3))
    put("gray16.png", save(gray16, "PNG"))
    put("rgb16.png", png16(45, 31))
    put("palette.gif", save(s.quantize(200), "GIF"))
    put("transparent.gif", save(s.quantize(32), "GIF", transparency=5))
    for t in None, 7:
        put(f"offset{'-transparent' if t else ''}.gif", gif_offset(s.quantize(16), t))
    put("animated.gif", save(s.quantize(32), "GIF", save_all=True, append_images=[scene(45, 31, 2).quantize(32)]))
    for w, h in (45, 31), (46, 32), (1, 1), (2, 2), (3, 3), (2, 5):
        put(f"lossy-{w}x{h}.webp", save(scene(w, h), "WEBP", quality=80))
    put("alpha.webp", save(rgba, "WEBP", quality=80))
    put("lossless.webp", save(s, "WEBP", lossless=True))
    put("lossless-alpha.webp", save(rgba, "WEBP", lossless=True, exact=True))
    for c in "raw", "tiff_lzw", "tiff_deflate", "packbits":
        put(f"{c}.tiff", save(s, "TIFF", compression=c))
    for c in "group3", "group4":
        put(f"{c}.tiff", save(s.convert("1"), "TIFF", compression=c))
    put("rgba.tiff", save(rgba, "TIFF"))
    put("palette.tiff", save(s.quantize(13), "TIFF"))
    put("gray.tiff", save(s.convert("L"), "TIFF"))
    put("gray16.tiff", save(gray16, "TIFF"))
    put("rgb.bmp", save(s, "BMP"))
    put("palette.bmp", save(s.quantize(13), "BMP"))
    put("gray.bmp", save(s.convert("L"), "BMP"))
    put("rgba.bmp", save(rgba, "BMP"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for fmt, ext in ("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tiff"):
        put(f"orientation6.{ext}", save(scene(20, 12), fmt, exif=exif))
    # Pillow applies the orientation of TIFF (and of no other format); the stored pixels are needed.
    scene(20, 12).save(os.path.join(OUT, "decode", "orientation6.tiff.png"))


def png16(w, h):
    import struct
    import zlib
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 65536, (h, w * 3)).astype(">u2")
    raw = b"".join(b"\x00" + r.tobytes() for r in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def gif_offset(image, transparent):
    """A GIF whose frame is at (6, 9) of a larger screen."""
    options = {} if transparent is None else {"transparency": transparent}
    data = bytearray(save(image, "GIF", **options))
    data[6:10] = (60).to_bytes(2, "little") + (50).to_bytes(2, "little")
    at = 13 + (3 << (1 + (data[10] & 7)) if data[10] & 0x80 else 0)
    while data[at] == 0x21:
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    assert data[at] == 0x2c
    data[at + 1:at + 5] = (6).to_bytes(2, "little") + (9).to_bytes(2, "little")
    return bytes(data)


def resizes():
    folder = os.path.join(OUT, "resize")
    sizes = {"a": [(224, 224), (20, 14), (61, 20), (30, 43), (1, 1), (61, 1), (1, 43), (122, 86), (17, 59), (60, 44), (62, 42)],
             "b": [(1, 1), (5, 4), (2, 3)], "c": [(32, 32), (100, 2)]}
    for name, (w, h) in {"a": (61, 43), "b": (1, 1), "c": (500, 7)}.items():
        src = scene(w, h, 5)
        src.save(os.path.join(folder, f"{name}.png"), optimize=True)
        for size in sizes[name]:
            out = src.resize(size, Image.BILINEAR)
            out.save(os.path.join(folder, f"{name}-{size[0]}x{size[1]}.png"), optimize=True)
            out = src.convert("L").resize(size, Image.BILINEAR)
            out.save(os.path.join(folder, f"{name}-gray-{size[0]}x{size[1]}.png"), optimize=True)


def floats():
    torch.set_num_threads(1)
    torch.manual_seed(4)
    write_floats("float", False, (((7, 5), (23, 17)), ((16, 16), (37, 53)), ((23, 17), (7, 5)), ((1, 1), (4, 3)),
                                  ((5, 1), (9, 1)), ((8, 8), (8, 13)), ((31, 2), (8, 8))))
    torch.manual_seed(5)
    write_floats("antialiased", True, (((23, 17), (7, 5)), ((31, 2), (8, 8)), ((8, 8), (8, 3)), ((16, 16), (15, 1)),
                                       ((40, 3), (11, 3)), ((9, 20), (20, 9))))


def write_floats(folder, antialias, sizes):
    for (sw, sh), (dw, dh) in sizes:
        src = torch.rand(1, 1, sh, sw)
        dst = torch.nn.functional.interpolate(src, size=(dh, dw), mode="bilinear", align_corners=False, antialias=antialias)
        with open(os.path.join(OUT, folder, f"{sw}x{sh}-{dw}x{dh}.f32"), "wb") as f:
            f.write(src.numpy().astype("<f4").tobytes())
            f.write(dst.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    for sub in "decode", "resize", "float", "antialiased":
        os.makedirs(os.path.join(OUT, sub))
    jpegs()
    others()
    resizes()
    floats()

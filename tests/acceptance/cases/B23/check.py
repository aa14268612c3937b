"""A film of 64 x 32 pixels whose left half is white, and the same file with a display matrix of 90 degrees."""

import struct
import sys
from pathlib import Path

import av
import numpy as np

from co3d_bench.bench.measure.video import read_frames
from co3d_bench.models.spec import Preprocessing

work = Path(sys.argv[1])
plain, turned = work / "plain.mp4", work / "turned.mp4"
picture = np.zeros((32, 64, 3), dtype=np.uint8)
picture[:, :32] = 255
with av.open(str(plain), "w") as out:
    stream = out.add_stream("mpeg4", rate=30)
    stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 32, "yuv420p", 2_000_000
    for _ in range(8):
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")):
            out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)
data = bytearray(plain.read_bytes())
at = data.index(b"tkhd")
matrix = at + (44 if data[at + 4] == 0 else 56)
assert struct.unpack(">i", data[matrix : matrix + 4])[0] == 0x10000, "the matrix is elsewhere"
one = 0x10000
data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 32 * one, 0, 0x40000000)
turned.write_bytes(data)
with av.open(str(turned)) as container:
    rotation = getattr(next(container.decode(video=0)), "rotation", None)

how = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, short_side=16, frame_interval=1)
for_plain, for_turned = (read_frames(file, 2, how, (16, 16)) for file in (plain, turned))


def split(frame):
    grey = frame.mean(0)
    across = float((grey[:, :6].mean() - grey[:, -6:].mean()).abs())
    down = float((grey[:6].mean() - grey[-6:].mean()).abs())
    return "left from right" if across > down else "top from bottom"


plain_is, turned_is = split(for_plain.frames[0]), split(for_turned.frames[0])
print("rotation that the decoder tells:", rotation, "plain:", plain_is, "turned:", turned_is, "notes:", for_turned.notes)
if not rotation:
    print("UNCLEAR the decoder sees no rotation in the file")
elif turned_is == "top from bottom" or any("rotat" in note for note in for_turned.notes):
    print("PASS turned as players show it, or reported")
else:
    print(f"FAIL the decoder tells {rotation} degrees, the network gets the frames as they lie, and no note says so")

"""A sound file with a cover picture in it, which decoders present as a stream of video with one frame."""

import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.video import check_video, read_frames
from co3d_bench.models.spec import Preprocessing

work = Path(sys.argv[1])
sound, covered = work / "sound.flac", work / "song.flac"
with av.open(str(sound), "w") as out:
    stream = out.add_stream("flac", rate=44100)
    stream.layout = "mono"
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), dtype=np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
    for packet in stream.encode(frame):
        out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


rows = b"".join(b"\0" + bytes([200, 30, 30] * 48) for _ in range(48))
png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 48, 8, 2, 0, 0, 0))
       + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
mime = b"image/png"
picture = (struct.pack(">II", 3, len(mime)) + mime + struct.pack(">I", 0)
           + struct.pack(">IIII", 48, 48, 24, 0) + struct.pack(">I", len(png)) + png)
data = sound.read_bytes()
assert data[:4] == b"fLaC" and data[4] & 0x7F == 0
last = data[4] & 0x80  # where the first block is the last one, ours is that now
head = data[:4] + bytes([data[4] & 0x7F]) + data[5:42]
covered.write_bytes(head + bytes([6 | last]) + struct.pack(">I", len(picture))[1:] + picture + data[42:])
with av.open(str(covered)) as container:
    streams = [stream.type for stream in container.streams]
print("streams of the file:", streams)
try:
    check_video(sound)
except UserError as error:
    print("without a cover:", error.message)
else:
    print("UNCLEAR the sound without a cover is taken for a video")
    raise SystemExit
if "video" not in streams:
    print("UNCLEAR this decoder does not show the cover as video")
    raise SystemExit
try:
    check_video(covered)
    how = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, short_side=16, frame_interval=1)
    notes = read_frames(covered, 4, how, (16, 16)).notes
except UserError as error:
    print("PASS refused:", error.message)
else:
    said = [note for note in notes if any(word in note for word in ("cover", "still", "picture", "attached"))]
    print("PASS reported: " + said[0] if said else f"FAIL a song with a cover is benchmarked as a video; notes: {list(notes)}")

"""A film of 60 frames that was cut in its middle, as by a copy that broke off; and one with a damaged middle."""

import sys
from pathlib import Path

import av
import numpy as np

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.video import read_frames
from co3d_bench.models.spec import Preprocessing

work = Path(sys.argv[1])
whole = work / "whole.mkv"
random = np.random.default_rng(0)
with av.open(str(whole), "w") as out:
    stream = out.add_stream("mpeg4", rate=30)
    stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 64, "yuv420p", 1_000_000
    for _ in range(60):
        picture = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")):
            out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)
data = whole.read_bytes()
cut, damaged = work / "cut.mkv", work / "damaged.mkv"
cut.write_bytes(data[: len(data) // 2])
middle = len(data) // 2
damaged.write_bytes(data[:middle] + bytes(random.integers(0, 255, len(data) // 4, dtype=np.uint8)) + data[middle + len(data) // 4 :])
how = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, short_side=16, frame_interval=1)
words = ("damag", "cut short", "incomplete", "truncat", "broke", "error", "ends early", "not whole")
silent, reported = [], []
for file in (whole, cut, damaged):
    try:
        video = read_frames(file, 60, how, (16, 16))
    except UserError as error:
        print(file.name, "refused:", error.message)
        reported.append(file.name)
        continue
    print(file.name, "notes:", video.notes)
    if file is whole:
        if video.notes:
            print("UNCLEAR the whole file has notes already")
            raise SystemExit
    elif any(word in note for note in video.notes for word in words):
        reported.append(file.name)
    elif video.notes:  # fewer frames came than the file had
        silent.append(f"{file.name}: {video.notes[0]}")
if silent:
    print("FAIL reported as a short video, not as a damaged one:", silent)
elif reported:
    print("PASS reported or refused:", reported)
else:
    print("UNCLEAR the decoder got all 60 frames out of each")

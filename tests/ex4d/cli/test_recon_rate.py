"""recon: a rate that no file can have."""

from __future__ import annotations

import av
import numpy as np

from ex4d.cli.main import main


def test_it_is_refused_before_the_render(tmp_path, capsys):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=20_000)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(20):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8)))
            )
        container.mux(stream.encode())
    np.savez(tmp_path / "depth.npz", depth=np.ones((20, 32, 32), np.float32))
    given = [f"--input_video={tmp_path / 'clip.mp4'}", f"--depth={tmp_path / 'depth.npz'}"]
    assert main(["recon", *given, f"--output_dir={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr()
    assert "the frame rate is 20000; it must be above 0 and at most 10000" in said.err
    assert "render" not in said.out
    assert not (tmp_path / "out").exists()

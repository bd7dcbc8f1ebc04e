"""How much a file may make of itself when it is read (M8)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMAND_LINE", "Budget"]


@dataclass(frozen=True)
class Budget:
    """What a reader may unpack from one source. Readers compare it with what a file claims, before
    they take any memory for it, and raise their own error naming the file, the claim and the limit.
    """

    picture_pixels: int  # of one picture as stored, of a video or of a depth file
    clip_pixels: int  # of all frames that are read, at the size that they are read at; 3 bytes each
    video_frames: int  # that a video file may list
    array_bytes: int  # of the arrays of a .npz file that are held together

    def within(self, memory_bytes: int) -> Budget:
        """The same, and less where less memory than that is there: a clip's frames or a file's
        arrays take at most a quarter of it, for their geometry and results are held beside them.
        """
        share = memory_bytes // 4
        return Budget(
            # a picture is decoded with up to 16 others that it refers to, at 1.5 bytes a pixel
            picture_pixels=min(self.picture_pixels, max(1, share // 24)),
            clip_pixels=min(self.clip_pixels, max(1, share // 3)),
            video_frames=self.video_frames,
            array_bytes=min(self.array_bytes, max(1, share)),
        )


# One's own files on one's own machine: pictures of 16384 x 8192, a thousand frames of 1920 x 1080.
COMMAND_LINE = Budget(
    picture_pixels=1 << 27, clip_pixels=1 << 31, video_frames=1 << 24, array_bytes=8 << 30
)

"""A second decoder of a stream that leaves out the loop filter: good enough to see whether anything moves.

H.264 and HEVC end each picture with a filter that smooths the borders of blocks. Without it a picture costs a fifth
less, and is some grey levels off; as later pictures refer to it, that grows until the next key picture.
"""

from __future__ import annotations

from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

_CODECS = frozenset(("h264", "hevc"))


def rough_twin(context: VideoCodecContext) -> VideoCodecContext | None:
    """The rough decoder of what `context` decodes; None where there is nothing to leave out."""
    if context.name not in _CODECS or context.is_hwaccel:
        return None
    twin = cast(VideoCodecContext, av.CodecContext.create(context.name, "r"))
    twin.extradata = context.extradata
    # A file may say this beside the stream, and the stream itself nothing.
    twin.color_range, twin.colorspace = context.color_range, context.colorspace
    twin.options = {**context.options, "skip_loop_filter": "all"}
    return twin

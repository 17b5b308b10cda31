"""Opening, decoding and waking: what a camera, a file, a folder or the test pattern shows. No Django in here.

`open_capture(source, options)` gives a `Capture`, and its `step()` the pictures.
"""

from cameras.video.capture import open_capture
from cameras.video.types import Capture, CaptureOptions, Decode, EndOfSource, Picture, SourceFailed

__all__ = ["Capture", "CaptureOptions", "Decode", "EndOfSource", "Picture", "SourceFailed", "open_capture"]

"""This is the replay source: a recording played as if it were live, and the reader of such recordings."""

from sickbay.edge.sources.replay.recording import Recording, read_recording
from sickbay.edge.sources.replay.source import ReplaySource
from sickbay.edge.sources.replay.times import ReplayError

__all__ = ["Recording", "ReplayError", "ReplaySource", "read_recording"]

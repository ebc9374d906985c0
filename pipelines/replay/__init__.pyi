from .drawing import ReplayDrawing as ReplayDrawing
from .lines import (
    closing as closing, heading as heading, incident_words as incident_words,
    step_lines as step_lines,
)
from .replay import Replay as Replay, ReplayStep as ReplayStep

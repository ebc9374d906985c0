from .drawing import ReplayDrawing as ReplayDrawing
from .lines import closing as closing, heading as heading, step_lines as step_lines
from .replay import Replay as Replay, ReplayStep as ReplayStep

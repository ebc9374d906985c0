from .rollout import Rollout as Rollout
from .rollouts import FILE as FILE, load_rollouts as load_rollouts

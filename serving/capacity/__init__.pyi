from .budget import CityBudget as CityBudget, FULL as FULL
from .cost import (
    Analysis as Analysis, BASE_CORES as BASE_CORES, CameraCost as CameraCost,
    CostModel as CostModel, StreamShape as StreamShape,
)
from .errors import CapacityError as CapacityError
from .measurement import (
    keep_costs as keep_costs, kept_costs as kept_costs, kept_node_costs as kept_node_costs,
    measure_costs as measure_costs,
)
from .readings import CameraReadings as CameraReadings
from .watch import CapacityPolicy as CapacityPolicy

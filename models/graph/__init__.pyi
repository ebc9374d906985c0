from .contract import (
    ContractViolation as ContractViolation, Dimension as Dimension,
    MAX_MODEL_BYTES as MAX_MODEL_BYTES, check_model as check_model,
    check_self_contained as check_self_contained, dimensions as dimensions, opset_of as opset_of,
    parse_model as parse_model, read_model as read_model,
)
from .parts import (
    nodes as nodes, nodes_below as nodes_below, tensors as tensors, used_by as used_by,
)
from .suppression import for_gpu as for_gpu

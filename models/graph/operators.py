"""Which operators a packaged graph may use: standard ones, and chosen ones of ONNX Runtime's own.

What reaches outside the graph is not among them: `EPContext` and `Snpe` load files or foreign
binaries, `Tokenizer` and the search loops have no place in a detector, and any other domain needs
foreign code.
"""

from __future__ import annotations

from onnx import FunctionProto, ModelProto, NodeProto

from models.graph.parts import function_nodes, nodes
from models.graph.violation import ContractViolation
from models.graph.wire import MAX_NODES, SIMPLER

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MICROSOFT_DOMAIN = "com.microsoft"
MAX_FUNCTION_DEPTH = 16

_QUANTISATION = """
DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulInteger16 MatMulIntegerToFloat
MatMulNBits MulInteger QAttention QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv
QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid
QLinearSoftmax QLinearWhere QuantizeLinear ReduceSumInteger
"""
_FUSION = """
Attention BiasAdd BiasGelu BiasSoftmax BiasSplitGelu ConvTransposeWithDynamicPads CropAndResize
ExpandDims FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatherND Gelu GridSample
GroupNorm Inverse MaxpoolWithMask MultiHeadAttention NhwcConv NhwcFusedConv NhwcMaxPool Pad
QuickGelu Range ScaledSiLU SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
SwiGLU TransposeMatMul Trilu Unique
"""
MICROSOFT_OPERATORS = frozenset(_QUANTISATION.split()) | frozenset(_FUSION.split())
"""What quantised and optimised detectors are made of; all of it is arithmetic."""

RANDOM_OPERATORS = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)

_Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def check_operators(model: ModelProto) -> None:
    """Checks every node, in branches and functions too.

    Raises:
        ContractViolation: The first operator or function that may not be there.
    """
    functions = {_key(one): one for one in model.functions}
    for function in functions.values():
        if function.domain in STANDARD_DOMAINS | {MICROSOFT_DOMAIN}:
            raise ContractViolation(
                f"redefines operator {function.name} of domain {_shown(function.domain)}",
                "export the network without functions under an operator's name",
            )
    for node in nodes(model):
        if _called(node) not in functions:
            _check_node(node)
    _check_expansion(model, functions)


def _check_node(node: NodeProto) -> None:
    allowed = node.domain in STANDARD_DOMAINS or (
        node.domain == MICROSOFT_DOMAIN and node.op_type in MICROSOFT_OPERATORS
    )
    if not allowed:
        raise ContractViolation(
            f"uses operator {node.op_type} of domain {_shown(node.domain)}, which is not allowed",
            "export with standard operators only",
        )
    if node.op_type in RANDOM_OPERATORS:
        raise ContractViolation(
            f"uses operator {node.op_type}, whose result is random", "export it for inference"
        )


def _check_expansion(model: ModelProto, functions: dict[_Key, FunctionProto]) -> None:
    """Counts the nodes that are there once every call is replaced by its function's body."""
    sizes: dict[_Key, int] = {}

    def size_of(key: _Key, depth: int) -> int:
        if depth > MAX_FUNCTION_DEPTH:
            raise ContractViolation(
                f"nests functions more than {MAX_FUNCTION_DEPTH} deep, or in a circle", SIMPLER
            )
        if key not in sizes:
            body = function_nodes(functions[key])
            sizes[key] = sum(
                size_of(_called(node), depth + 1) if _called(node) in functions else 1
                for node in body
            )
        return sizes[key]

    total = 0
    for node in nodes(model):
        total += size_of(_called(node), 1) if _called(node) in functions else 1
        if total > MAX_NODES:
            raise ContractViolation(
                f"becomes more than {MAX_NODES:,} nodes when its functions are filled in", SIMPLER
            )


def _key(function: FunctionProto) -> _Key:
    return function.domain, function.name, function.overload


def _called(node: NodeProto) -> _Key:
    return node.domain, node.op_type, node.overload


def _shown(domain: str) -> str:
    return domain or "ai.onnx"

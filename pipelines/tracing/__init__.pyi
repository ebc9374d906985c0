from .opening import open_spans as open_spans
from .settings import TraceSettings as TraceSettings, missing_exporter as missing_exporter
from .spans import SpanFacts as SpanFacts, SpanWriter as SpanWriter
from .tracing import Tracing as Tracing, open_tracing as open_tracing

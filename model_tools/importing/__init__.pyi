from .coco import COCO_LABELS as COCO_LABELS
from .exporting import export_checkpoint as export_checkpoint
from .importer import (
    Imported as Imported, Inspected as Inspected, ValidationImages as ValidationImages,
    import_model as import_model,
)
from .lowering import TIMES_FP32 as TIMES_FP32, lowered as lowered
from .rethresholding import with_thresholds as with_thresholds
from .request import ImageBatch as ImageBatch, ImportRequest as ImportRequest, Triple as Triple
from .writing import (
    PackageFacts as PackageFacts, keep_golden as keep_golden, write_package as write_package,
    write_texts as write_texts,
)

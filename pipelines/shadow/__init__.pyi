from .agreement import (
    BoxAgreement as BoxAgreement, IncidentNote as IncidentNote, in_one_only as in_one_only,
)
from .comparison import IMAGES as IMAGES, MAX_IMAGES as MAX_IMAGES
from .comparison_state import (
    ComparisonState as ComparisonState, Gallery as Gallery, states_in as states_in,
)

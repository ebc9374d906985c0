from .image_body import fitted as fitted

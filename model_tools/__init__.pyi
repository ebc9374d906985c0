from .shipped_images import FILE as FILE, golden_images as golden_images

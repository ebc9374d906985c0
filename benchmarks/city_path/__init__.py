"""A city of up to thousands of cameras, with recorded results in place of decoders and models."""

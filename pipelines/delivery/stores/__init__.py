"""Where keyframes are kept: a local folder, or anything that speaks S3."""

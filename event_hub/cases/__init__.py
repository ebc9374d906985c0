"""Case work: what people make of incidents, and what the hub says of it."""

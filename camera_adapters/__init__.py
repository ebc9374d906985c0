"""camera_adapters see: they turn any camera into its newest `Frame`."""

"""Camera adapters: turn a camera into its newest `Frame`."""

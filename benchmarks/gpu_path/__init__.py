"""What a GPU gives: its video engines, its inference, and cameras that use both."""

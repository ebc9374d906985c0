"""From clips with expected incidents to what was reported of them, and how well that fits."""

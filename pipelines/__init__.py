"""From frames to incidents to events that arrive: what happens between a model and the city."""

"""How well objects keep their identity: drawn crowds, a detector's faults, and the MOT figures."""

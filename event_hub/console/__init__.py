"""The console: pages on which people see what the cameras saw, in English and Chinese.

Pages read the store and show it; whatever changes something goes through the hub's API, so that
scopes and the audit trail have one door.
"""

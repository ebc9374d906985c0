"""People: who logs in with a name, which role they have, and which cameras they see."""

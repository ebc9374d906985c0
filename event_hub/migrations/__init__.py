"""Migrations of the hub's database by Alembic; its scripts are in `versions`, one per change."""

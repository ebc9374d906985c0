"""Everything that runs on Ray: detector deployments, camera workers, the director, the API."""

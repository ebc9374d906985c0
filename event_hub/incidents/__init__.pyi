from .filter import (
    IncidentFilter as IncidentFilter, WantedIncidents as WantedIncidents,
    columns_to_group_by as columns_to_group_by, conditions as conditions,
)
from .pages import incident_page as incident_page
from .routes import add_incident_lists as add_incident_lists

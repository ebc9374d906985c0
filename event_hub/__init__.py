"""The embedded event hub: keeps the city's events and shows them where there is no other hub."""

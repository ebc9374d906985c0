"""Drawing: street scenes in perspective, with light, weather and a sensor."""

"""The paper's claims as data: read, judged, put into words."""

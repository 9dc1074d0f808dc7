"""Where arrays lie and how tokens reach their experts."""

"""The desk: pages for agents and supervisors. They read the same views and raise the same causes as the API."""

"""Words changed by people at the desk: drafts, their check, publishing, and what is live over the folder's."""

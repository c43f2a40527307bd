"""Words that people change at the desk: their drafts and history, and what is live over the folder's."""

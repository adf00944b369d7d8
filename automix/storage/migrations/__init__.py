"""The schema's history. A change is a new file in `versions/`, never an edit of an old one."""

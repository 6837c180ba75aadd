"""Reports: a run as a folder of pages to read, listen to and share."""

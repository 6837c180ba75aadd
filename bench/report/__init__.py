"""A run as a folder of pages that can be read, listened to and shared."""

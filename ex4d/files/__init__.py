"""Files in and out that are neither videos nor models: arrays, names, folders of results."""

"""Files of jobs on disk: uploads, blobs, results, and the room that they take."""

"""What people write in a version's directory: it is imported, called and blamed here, in training and in serving."""

"""Where data lives: the offline store over Parquet and the online stores for serving."""

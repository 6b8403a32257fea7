"""What is kept below the state directory."""

"""What real clients expect of the DynamoDB API."""

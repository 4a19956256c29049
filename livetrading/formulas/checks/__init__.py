"""What holds a formula to its definition: golden numbers, independent references, general properties."""

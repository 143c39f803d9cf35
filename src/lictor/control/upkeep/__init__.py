"""What is looked after besides the loop, over and over: leftovers, what stands still, certificates, lost instances."""

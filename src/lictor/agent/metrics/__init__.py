"""What a PROMETHEUS listener answers: HAProxy's own figures, under Octavia's names."""

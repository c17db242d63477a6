"""String to string: a recurrent neural transducer."""

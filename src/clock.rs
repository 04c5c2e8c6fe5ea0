//! The only reader of time. Pure code takes `now` as an argument.

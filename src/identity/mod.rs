//! One canonical address of a user, whichever protocol named it.

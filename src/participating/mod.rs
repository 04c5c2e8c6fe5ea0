//! The home IM server: joins SIP and MSRP to the functions.

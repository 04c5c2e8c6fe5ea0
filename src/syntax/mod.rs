//! The ABNF shapes that SIP, MSRP and CPIM share.

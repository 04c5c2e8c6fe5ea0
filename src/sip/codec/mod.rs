//! SIP messages on the wire: a zero-copy parser, a serialiser and typed views of the headers.

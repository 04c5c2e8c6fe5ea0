//! The codec as the streams want it.
use crate::{
    msrp::{DecodeError, Decoder, Frame},
    net::Decode,
};
use bytes::BytesMut;

impl Decode for Decoder {
    type Frame = Frame;
    type Error = DecodeError;

    fn decode(&mut self, input: &mut BytesMut, out: &mut Vec<Frame>) -> Result<(), DecodeError> {
        self.decode_all(input, out)
    }
}

//! The steps a session asks for, whichever side it is.
use bytes::BytesMut;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use std::io;

/// What a record adds to its plaintext, generously.
const PER_RECORD: usize = 64;
/// Plaintext of a full record.
const RECORD: usize = 16 * 1024;

/// Records ready for the socket. Its memory is used again and never cleared.
#[derive(Default)]
pub(in crate::net) struct Sealed {
    octets: Vec<u8>,
    length: usize,
}

/// What is to be done while the session takes its next steps.
pub(super) struct Order<'a> {
    pub(super) opened: &'a mut BytesMut,
    pub(super) sealed: &'a mut Sealed,
    pub(super) send: Send<'a>,
}

/// What to send as soon as the session can.
#[derive(Clone, Copy)]
pub(super) enum Send<'a> {
    Nothing,
    Octets(&'a [u8]),
    Farewell,
}

pub(super) enum Step {
    /// More can be done at once.
    Again,
    /// Nothing more can be done before more comes.
    Blocked,
    /// The peer sends no more; we may.
    Ended,
}

impl Order<'_> {
    /// Does what the session asks for. Returns how much of its input it has used up.
    pub(super) fn step<Data>(
        &mut self,
        status: UnbufferedStatus<'_, '_, Data>,
    ) -> (usize, io::Result<Step>) {
        let mut discard = status.discard;
        let step = match status.state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut outcome = Ok(Step::Again);
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            self.opened.extend_from_slice(record.payload);
                        }
                        Err(error) => outcome = Err(invalid(error)),
                    }
                }
                outcome
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => self
                .sealed
                .put(PER_RECORD, |room| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) => Err(Some(size.required_size)),
                    outcome => outcome.map_err(|_| None),
                })
                .map(|()| Step::Again),
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Step::Again)
            }
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                self.write(traffic).map(|()| Step::Blocked)
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Ok(Step::Blocked),
            Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
            // early data is not taken, and states of the future are not known
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => Err(invalid(error)),
        };
        (discard, step)
    }

    fn write<Data>(&mut self, mut traffic: WriteTraffic<'_, Data>) -> io::Result<()> {
        let refused = |error| match error {
            EncryptError::InsufficientSize(size) => Some(size.required_size),
            EncryptError::EncryptExhausted => None,
        };
        match std::mem::replace(&mut self.send, Send::Nothing) {
            Send::Nothing => Ok(()),
            Send::Octets(octets) => {
                let least = octets.len() + (octets.len() / RECORD + 2) * PER_RECORD;
                self.sealed
                    .put(least, |room| traffic.encrypt(octets, room).map_err(refused))
            }
            Send::Farewell => self.sealed.put(PER_RECORD, |room| {
                traffic.queue_close_notify(room).map_err(refused)
            }),
        }
    }
}

impl Sealed {
    pub(in crate::net) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    pub(in crate::net) fn clear(&mut self) {
        self.length = 0;
    }

    /// Lets `write` fill the room behind what is there: at least `least` octets, more if it asks
    /// for them. It returns how many it wrote.
    fn put(
        &mut self,
        mut least: usize,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
    ) -> io::Result<()> {
        loop {
            if self.octets.len() < self.length + least {
                self.octets.resize(self.length + least, 0);
            }
            match write(&mut self.octets[self.length..]) {
                Ok(written) => {
                    self.length += written;
                    return Ok(());
                }
                Err(Some(required)) if required > least => least = required,
                Err(_) => return Err(io::Error::other("the TLS session can send no more")),
            }
        }
    }
}

pub(super) fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

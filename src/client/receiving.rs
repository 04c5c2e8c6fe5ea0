//! Puts the octets of one message in order, takes its CPIM wrapper off, hashes what is inside.
use crate::content::cpim::{Cpim, CpimHead};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Octets that may come before their turn.
const MOST_EARLY: usize = 4 * 1024 * 1024;

/// Why the octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error("too many octets came before their turn")]
    TooEarly,
    #[error("octets are missing")]
    Gap,
}

impl ReceiveError {
    /// The status of the chunk that caused it.
    pub fn status(self) -> u16 {
        match self {
            Self::TooEarly => 413,
            Self::Gap => 400,
        }
    }
}

/// One message on its way in. Positions count from 0.
pub(super) struct Receiving {
    position: u64,
    early: BTreeMap<u64, Bytes>,
    early_octets: usize,
    wrapper: Wrapper,
    hash: Sha256,
    size: u64,
}

enum Wrapper {
    /// The octets of the head so far.
    Reading(Vec<u8>),
    Off(Option<Box<CpimHead>>),
}

/// What came in, when it is complete.
pub(super) struct Complete {
    pub head: Option<Box<CpimHead>>,
    pub size: u64,
    pub sha256: [u8; 32],
}

impl Receiving {
    /// `wrapped`: whether the octets are a CPIM message.
    pub fn new(wrapped: bool) -> Self {
        Self {
            position: 0,
            early: BTreeMap::new(),
            early_octets: 0,
            wrapper: match wrapped {
                true => Wrapper::Reading(Vec::new()),
                false => Wrapper::Off(None),
            },
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// A message whose body is here as a whole.
    pub fn whole(head: Option<CpimHead>, body: &[u8]) -> Complete {
        Complete {
            head: head.map(Box::new),
            size: body.len() as u64,
            sha256: Sha256::digest(body).into(),
        }
    }

    /// Octets of the message that are here without a gap.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes octets that start at `offset`; what is ready of the body is appended to `out`.
    ///
    /// Octets seen before are skipped, those too early are kept until the gap is filled.
    pub fn take(
        &mut self,
        offset: u64,
        piece: Bytes,
        out: &mut Vec<Bytes>,
    ) -> Result<(), ReceiveError> {
        if offset > self.position {
            self.early_octets += piece.len();
            self.early.insert(offset, piece);
            return match self.early_octets > MOST_EARLY {
                true => Err(ReceiveError::TooEarly),
                false => Ok(()),
            };
        }
        self.append(offset, piece, out);
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > self.position {
                break;
            }
            let (offset, piece) = entry.remove_entry();
            self.early_octets -= piece.len();
            self.append(offset, piece, out);
        }
        Ok(())
    }

    /// Ends a message of `total` octets, if that is known.
    pub fn finish(
        mut self,
        total: Option<u64>,
        out: &mut Vec<Bytes>,
    ) -> Result<Complete, ReceiveError> {
        if !self.early.is_empty() || total.is_some_and(|total| total != self.position) {
            return Err(ReceiveError::Gap);
        }
        let head = match std::mem::replace(&mut self.wrapper, Wrapper::Off(None)) {
            Wrapper::Off(head) => head,
            // a wrapper that never ended is none: the octets are delivered as they came
            Wrapper::Reading(octets) => {
                self.emit(octets.into(), out);
                None
            }
        };
        Ok(Complete {
            head,
            size: self.size,
            sha256: self.hash.finalize().into(),
        })
    }

    fn append(&mut self, offset: u64, piece: Bytes, out: &mut Vec<Bytes>) {
        let skip = usize::try_from(self.position - offset).unwrap_or(usize::MAX);
        if skip >= piece.len() {
            return;
        }
        let piece = piece.slice(skip..);
        self.position += piece.len() as u64;
        let Wrapper::Reading(octets) = &mut self.wrapper else {
            return self.emit(piece, out);
        };
        octets.extend_from_slice(&piece);
        match Cpim::parse_head(octets) {
            Ok(None) => {}
            Ok(Some(head)) => {
                let body = Bytes::from(std::mem::take(octets)).slice(head.body_offset()..);
                self.wrapper = Wrapper::Off(Some(head.into()));
                self.emit(body, out);
            }
            Err(_) => {
                let body = Bytes::from(std::mem::take(octets));
                self.wrapper = Wrapper::Off(None);
                self.emit(body, out);
            }
        }
    }

    fn emit(&mut self, piece: Bytes, out: &mut Vec<Bytes>) {
        if !piece.is_empty() {
            self.hash.update(&piece);
            self.size += piece.len() as u64;
            out.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::cpim::CpimBuilder;
    use proptest::prelude::*;

    fn wrapped(body: &[u8]) -> Bytes {
        CpimBuilder::new()
            .from("sip:a@h")
            .message_id("m1")
            .build("text/plain", body)
    }

    #[test]
    fn octets_that_are_no_cpim_are_delivered_as_they_came() {
        let mut out = Vec::new();
        let mut receiving = Receiving::new(true);
        receiving
            .take(0, Bytes::from_static(b"no header\r\n\r\n\r\n"), &mut out)
            .unwrap();
        let complete = receiving.finish(None, &mut out).unwrap();
        assert!(complete.head.is_none());
        assert_eq!(out.concat(), b"no header\r\n\r\n\r\n");
    }

    #[test]
    fn missing_octets_are_noticed() {
        let mut out = Vec::new();
        let mut receiving = Receiving::new(false);
        receiving
            .take(5, Bytes::from_static(b"x"), &mut out)
            .unwrap();
        assert_eq!(
            receiving.finish(None, &mut out).err(),
            Some(ReceiveError::Gap)
        );
        let receiving = Receiving::new(false);
        assert_eq!(
            receiving.finish(Some(1), &mut out).err(),
            Some(ReceiveError::Gap)
        );
    }

    #[test]
    fn too_much_too_early_is_refused() {
        let mut receiving = Receiving::new(false);
        let piece = Bytes::from(vec![0; MOST_EARLY + 1]);
        assert_eq!(
            receiving.take(1, piece, &mut Vec::new()),
            Err(ReceiveError::TooEarly)
        );
    }

    proptest! {
        #[test]
        fn chunks_in_any_order_and_overlapping_give_the_message(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            size in 1usize..50,
            overlap in 0usize..20,
            order in any::<u64>(),
        ) {
            let message = wrapped(&body);
            let mut starts: Vec<usize> = (0..message.len()).step_by(size).collect();
            let turn = usize::try_from(order % starts.len() as u64).unwrap();
            starts.rotate_left(turn);
            let mut receiving = Receiving::new(true);
            let mut out = Vec::new();
            for start in starts {
                let end = (start + size + overlap).min(message.len());
                receiving.take(start as u64, message.slice(start..end), &mut out).unwrap();
            }
            let complete = receiving.finish(Some(message.len() as u64), &mut out).unwrap();
            prop_assert_eq!(out.concat(), body.clone());
            prop_assert_eq!(complete.size, body.len() as u64);
            let expected: [u8; 32] = Sha256::digest(&body).into();
            prop_assert_eq!(complete.sha256, expected);
            let head = complete.head.unwrap();
            prop_assert_eq!(head.message_id().unwrap(), "m1");
        }
    }
}

//! The inbound half of a connection, as its actor reads it.
use crate::{
    msrp::{DecodeError, Decoder, Frame},
    net::{Inlet, ReadError},
};
use futures_util::Stream;
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The inbound half of a connection, read by its actor until it is taken away.
#[derive(Clone)]
pub(in crate::msrp::actor) struct Intake(Rc<RefCell<Option<Inlet<Decoder>>>>);

impl Intake {
    pub(in crate::msrp::actor) fn of(inlet: Inlet<Decoder>) -> Self {
        Self(Rc::new(RefCell::new(Some(inlet))))
    }

    pub(in crate::msrp::actor) fn take(&self) -> Option<Inlet<Decoder>> {
        self.0.borrow_mut().take()
    }
}

impl Stream for Intake {
    type Item = Batch;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        match self.0.borrow_mut().as_mut() {
            Some(inlet) => Pin::new(inlet).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

/// What one read brought.
pub(super) type Batch = Result<Vec<Frame>, ReadError<DecodeError>>;

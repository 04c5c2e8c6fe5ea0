//! A connection may carry sessions of several shards: a peer that reuses it for one more session
//! (RFC 4975 §5.4) cannot know who owns that session.
//!
//! What belongs to another shard takes a connection of its own to our own listener, where its
//! first request leads it to its shard like any other. Whole requests and responses come back
//! over it and are interleaved with those of this shard.
use super::{link::Link, listener};
use crate::{
    msrp::{Decoder, Frame, Head, encode},
    net::{Inlet, Outlet, Pressure},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// Body octets from this size on are passed on as slices.
const COPY_BELOW: usize = 4096;

/// The way from one connection to the shard that owns some of its sessions.
pub(super) struct Bypass {
    outer: Rc<Link>,
    outlet: RefCell<Option<Outlet>>,
    parts: RefCell<Vec<Bytes>>,
    over: Cell<bool>,
}

impl Bypass {
    /// Opens a way. The outer connection is not read until it stands.
    pub(super) fn open(outer: &Rc<Link>) -> Rc<Self> {
        let bypass = Rc::new(Self {
            outer: outer.clone(),
            outlet: RefCell::default(),
            parts: RefCell::default(),
            over: Cell::new(false),
        });
        outer.carry(true);
        outer.gate.close();
        actix_rt::spawn(run(bypass.clone()));
        bypass
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Takes a frame that came in on the outer connection.
    pub(super) fn take(&self, head: &Head, frame: Frame) {
        push(&mut self.parts.borrow_mut(), head, frame);
    }

    /// Writes what was taken; stops the outer connection while the way is full.
    pub(super) fn flush(&self) {
        let outlet = self.outlet.borrow().clone();
        let Some(outlet) = outlet else {
            return;
        };
        if self.parts.borrow().is_empty() {
            return;
        }
        if outlet.write(&mut self.parts.borrow_mut()) == Pressure::High {
            let gate = self.outer.gate.clone();
            gate.close();
            actix_rt::spawn(async move {
                outlet.when_low().await;
                gate.open();
            });
        }
    }

    /// The outer connection is gone.
    pub(super) fn close(&self) {
        self.over.set(true);
        if let Some(outlet) = self.outlet.borrow().as_ref() {
            outlet.abort();
        }
    }
}

async fn run(bypass: Rc<Bypass>) {
    let outer = &bypass.outer;
    let inlet = listener::to_ourselves(&outer.board).await;
    outer.gate.open();
    match inlet {
        Ok(inlet) if !bypass.is_over() => {
            *bypass.outlet.borrow_mut() = Some(inlet.outlet());
            bypass.flush();
            carry_back(outer, inlet).await;
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "no way to another shard's MSRP sessions"),
    }
    bypass.close();
    outer.carry(false);
}

/// Brings what the other shard writes to the outer connection, one whole request or response
/// at a time.
async fn carry_back(outer: &Rc<Link>, mut inlet: Inlet<Decoder>) {
    let (mut open, mut parts) = (None::<Head>, Vec::new());
    while let Some(Ok(frames)) = inlet.next().await {
        for frame in frames {
            if let Some(head) = frame.head() {
                open = Some(head.clone());
            }
            let Some(head) = &open else {
                continue;
            };
            let ends = frame.ends();
            push(&mut parts, head, frame);
            if ends {
                outer.pass(&mut parts);
            }
        }
        if outer.is_down() {
            return;
        }
        if outer.pressure() == Pressure::High {
            outer.flush();
            outer.outlet().when_low().await;
        }
    }
}

fn push(parts: &mut Vec<Bytes>, head: &Head, frame: Frame) {
    match frame {
        Frame::Body(octets) if octets.len() >= COPY_BELOW => parts.push(octets),
        frame => {
            let mut text = BytesMut::new();
            encode(head, &frame, &mut text);
            parts.push(text.freeze());
        }
    }
}

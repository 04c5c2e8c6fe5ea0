//! A SEND that goes on while it is still coming in.
use super::{Route, report::TIMED_OUT};
use crate::msrp::{
    ByteRange, Continuation, FailureReport, Head, Method, OutgoingId,
    actor::{
        link::Link,
        transaction::{Octets, Relayed, Whose},
    },
    encoding,
};
use bytes::Bytes;
use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

/// A relayed SEND under way. Others may write to the next hop in between: it is interrupted
/// there and continued as a chunk of its own, and one longer than a piece leaves in pieces.
pub(in crate::msrp::actor) struct Passage {
    route: Rc<Route>,
    from: Weak<Link>,
    number: u64,
    transaction_id: Bytes,
    message_id: Bytes,
    failure_report: FailureReport,
    /// The header lines after the paths, but Byte-Range.
    fields: Bytes,
    /// Octets of the message before the next one.
    offset: u64,
    total: Option<u64>,
    /// Octets that may follow in the piece that is open.
    room: u64,
    counted: Rc<Cell<u64>>,
    is_open_ended: bool,
}

/// The next hop is gone.
pub(in crate::msrp::actor) struct Gone;

impl Passage {
    /// Begins with the head of a SEND that has a body.
    pub(in crate::msrp::actor) fn begin(route: Rc<Route>, link: &Rc<Link>, head: &Head) -> Self {
        let range = head.byte_range().ok().flatten();
        let mut fields = Vec::with_capacity(head.after_paths().len());
        for line in head.lines_except(&["To-Path", "From-Path", "Byte-Range"]) {
            fields.extend_from_slice(&line);
            fields.extend_from_slice(b"\r\n");
        }
        Self {
            from: Rc::downgrade(link),
            number: link.board.next_number(),
            transaction_id: Bytes::copy_from_slice(head.transaction_id()),
            message_id: Bytes::copy_from_slice(head.message_id_octets().unwrap_or_default()),
            failure_report: head.failure_report(),
            fields: fields.into(),
            offset: range.map_or(0, |range| range.offset()),
            total: range.and_then(|range| range.total),
            room: 0,
            counted: Rc::default(),
            is_open_ended: range.is_some(),
            route,
        }
    }

    /// Returns where it goes, while it can.
    pub(in crate::msrp::actor) fn out(&self) -> Option<Rc<Link>> {
        self.route.out()
    }

    /// Passes octets of the body on.
    pub(in crate::msrp::actor) fn body(&mut self, mut octets: Bytes) -> Result<(), Gone> {
        let out = self.out().ok_or(Gone)?;
        while !octets.is_empty() {
            let is_open = out.is_open(self.number, OutgoingId::BINDING);
            if is_open && self.room == 0 {
                out.end_send(Continuation::MoreChunks);
            }
            if !is_open || self.room == 0 {
                self.open(&out);
            }
            let count = self.room.min(octets.len() as u64);
            // bounded by the length, so it fits
            out.body(octets.split_to(count as usize));
            self.room -= count;
            self.offset += count;
            self.counted.set(self.counted.get() + count);
        }
        Ok(())
    }

    /// Ends it as its sender did, and answers the sender.
    pub(in crate::msrp::actor) fn end(mut self, flag: Continuation) {
        let Some(out) = self.out() else {
            return self.lose();
        };
        self.close(&out, flag);
        if self.failure_report.duties().answer_success
            && let Some(from) = self.from.upgrade()
        {
            self.route.answer(&from, &self.transaction_id, 200);
        }
    }

    /// The next hop is gone, or the way there has ended: the sender is told, in place of an
    /// answer.
    pub(in crate::msrp::actor) fn lose(mut self) {
        self.abort();
        if self.failure_report.duties().answer_failure
            && let Some(from) = self.from.upgrade()
        {
            self.route.answer(&from, &self.transaction_id, TIMED_OUT);
        }
    }

    /// The sender is gone: what it left unfinished is given up.
    pub(in crate::msrp::actor) fn abandon(mut self) {
        self.abort();
    }

    /// Tells the next hop that no more will come of what it has begun to take.
    fn abort(&mut self) {
        let out = self.route.far_side().filter(|_| self.counted.get() > 0);
        if let Some(out) = out {
            self.close(&out, Continuation::Aborted);
        }
    }

    fn close(&mut self, out: &Rc<Link>, flag: Continuation) {
        let mut is_open = out.is_open(self.number, OutgoingId::BINDING);
        if !is_open && flag != Continuation::MoreChunks {
            self.open(out);
            is_open = true;
        }
        if is_open {
            out.end_send(flag);
        }
    }

    fn open(&mut self, out: &Rc<Link>) {
        self.room = out.board.config.max_chunk.as_u64();
        self.counted = Rc::default();
        let range = ByteRange::after(self.offset, None, self.total);
        let text = self.is_open_ended.then(|| range.to_string());
        let relayed = Relayed::new(
            self.route.clone(),
            &self.message_id,
            text.as_deref().map(str::as_bytes),
            Octets::Counted(self.counted.clone()),
        );
        let whose = Whose::Relayed(relayed);
        let open = (self.number, OutgoingId::BINDING, true);
        out.open_request(open, self.failure_report, whose, |buffer, id| {
            self.route.lines.put_start(buffer, id, Method::Send);
            if self.is_open_ended || self.offset > 0 {
                encoding::put_range(buffer, range);
            }
            buffer.extend_from_slice(&self.fields);
            buffer.extend_from_slice(b"\r\n");
        });
    }
}

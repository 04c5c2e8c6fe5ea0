//! A session, as the rooms above hold it.
use super::{CloseReason, SendError, Sink, session::State};
use crate::{
    msrp::{
        ByteRange, ChunkToken, Continuation, Head, OutgoingHead, OutgoingId, Path, SessionMatch,
        Status, Uri,
    },
    net::Pressure,
};
use bytes::Bytes;
use std::{fmt, net::SocketAddr, rc::Rc};

/// A session on this shard. Clones name the same session; it lives until it is closed.
#[derive(Clone)]
pub struct SessionHandle(pub(super) Rc<State>);

impl SessionHandle {
    /// Returns our URI, as in `a=path`.
    pub fn local_uri(&self) -> &Uri {
        &self.0.local
    }

    /// Tells whether the session has its connection.
    pub fn is_bound(&self) -> bool {
        self.0.link().is_ok()
    }

    /// Tells whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.0.is_over()
    }

    /// Returns the address of the peer's end of the connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.link().ok().map(|link| link.peer)
    }

    /// Names the peer's path, once it is known. An active session connects now; a passive one
    /// gives its peer the bind timeout from now on.
    pub fn set_remote(&self, path: &Path) {
        self.0.board.set_remote(&self.0, path);
    }

    /// Takes peers only that show a certificate with one of these fingerprints, as in
    /// `a=fingerprint`; those of hash functions that are too weak count for nothing. To be called
    /// before [`SessionHandle::set_remote`]; who bound a passive session before is turned out
    /// unless it has such a certificate.
    ///
    /// Source: RFC 4975 §14.4, RFC 8122 §6.2.
    pub fn expect_certificates(&self, fingerprints: &[String]) {
        let known = fingerprints.iter().filter_map(|text| text.parse().ok());
        self.0.expect_certificates(known.collect());
    }

    /// Both ends speak CEMA: where `msrp.session_match` allows it, requests are the session's
    /// whatever host and port stand before its id.
    ///
    /// Source: RFC 6714 §4.
    pub fn expect_middlebox(&self) {
        if self.0.board.config.session_match != SessionMatch::Strict {
            self.0.is_known_by_id.set(true);
        }
    }

    /// Sends the session's events elsewhere from now on.
    pub fn set_sink(&self, sink: Box<dyn Sink>) {
        self.0.replace_sink(sink);
    }

    /// Answers a SEND, where its Failure-Report wants an answer with this code.
    ///
    /// An error may be answered before the SEND ended: nothing more of it is told then, but
    /// what was read together with its head.
    pub fn respond(&self, chunk: ChunkToken, code: u16) {
        self.0.respond(chunk, code);
    }

    /// Reports that octets of a message have reached their end (RFC 4975 §7.1.3). The caller
    /// knows whether the message asked for it.
    pub fn success_report(&self, message_id: &str, range: ByteRange) -> Result<(), SendError> {
        self.report(message_id, Some(range), &Status::of(200))
    }

    /// Reports that octets of a message have been lost after they were taken (RFC 4975 §7.1.4).
    pub fn failure_report(
        &self,
        message_id: &str,
        range: ByteRange,
        code: u16,
    ) -> Result<(), SendError> {
        self.report(message_id, Some(range), &Status::of(code))
    }

    /// Sends a REPORT.
    pub fn report(
        &self,
        message_id: &str,
        range: Option<ByteRange>,
        status: &Status,
    ) -> Result<(), SendError> {
        let range = range.map(|range| range.to_string());
        let status = status.to_string();
        let mut fields: Vec<(&str, &[u8])> = vec![("Message-ID", message_id.as_bytes())];
        if let Some(range) = &range {
            fields.push(("Byte-Range", range.as_bytes()));
        }
        fields.push(("Status", status.as_bytes()));
        self.write_report(&fields)
    }

    /// Passes a REPORT on that came in on another session.
    pub fn forward_report(&self, head: &Head) -> Result<(), SendError> {
        const KEPT: [&str; 3] = ["Message-ID", "Byte-Range", "Status"];
        let fields: Vec<_> = KEPT
            .iter()
            .filter_map(|name| head.value(name).map(|value| (*name, value)))
            .collect();
        self.write_report(&fields)
    }

    /// Sends one chunk whose octets are all here. One longer than the largest chunk leaves as
    /// several SENDs with one fate.
    ///
    /// Errors: `Full` while the connection's queue is over its high mark, `NotBound`, `Closed`;
    /// nothing was sent then.
    pub fn send(
        &self,
        head: OutgoingHead,
        pieces: &[Bytes],
        flag: Continuation,
    ) -> Result<OutgoingId, SendError> {
        self.check_room()?;
        self.0.send_whole(head, pieces, flag)
    }

    /// Sends one chunk also over the high mark: for one who has stopped its own source.
    pub(super) fn send_regardless(
        &self,
        head: OutgoingHead,
        pieces: &[Bytes],
        flag: Continuation,
    ) -> Result<OutgoingId, SendError> {
        self.0.send_whole(head, pieces, flag)
    }

    /// Opens a chunk whose octets follow by [`SessionHandle::body`] as they come. Others may
    /// send meanwhile: the chunk is interrupted and continued on the wire, with one fate.
    ///
    /// Errors: as [`SessionHandle::send`].
    pub fn begin(&self, head: OutgoingHead) -> Result<OutgoingId, SendError> {
        self.check_room()?;
        Ok(self.0.begin(head))
    }

    /// Opens a chunk also over the high mark.
    pub(super) fn begin_regardless(&self, head: OutgoingHead) -> Result<OutgoingId, SendError> {
        self.0.link()?;
        Ok(self.0.begin(head))
    }

    /// Writes octets of an open chunk. They are taken even under pressure; the caller then
    /// stops their source.
    ///
    /// Errors: `Closed` if the chunk ended, or the session.
    pub fn body(&self, id: OutgoingId, octets: Bytes) -> Result<Pressure, SendError> {
        self.0.body(id, octets)?;
        Ok(self.pressure())
    }

    /// Ends an open chunk. `Aborted` gives its message up.
    pub fn end(&self, id: OutgoingId, flag: Continuation) -> Result<(), SendError> {
        self.0.end(id, flag)
    }

    /// Tells how full the connection's queue is, as far as this session can know.
    pub fn pressure(&self) -> Pressure {
        match self.0.link() {
            Ok(link) => link.pressure(),
            Err(SendError::Closed) => Pressure::Closed,
            Err(_) => Pressure::High,
        }
    }

    /// Resolves when the queue is below its low mark, or the session is over. For senders that
    /// are tasks of their own; a sink gets `Writable`.
    pub async fn when_writable(&self) {
        let Ok(link) = self.0.link() else {
            return;
        };
        link.flush();
        link.outlet().when_low().await;
    }

    /// Stops reading the session's connection until [`SessionHandle::resume`]. Sessions that
    /// share it wait as well.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Takes a pause back.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Ends the session. Open chunks are aborted, unanswered SENDs answered 481; the sink hears
    /// `Closed(Local)`.
    pub fn close(&self) {
        self.0.end_here(CloseReason::Local);
    }

    /// Asks for a `Writable` as soon as the queue is not full.
    pub(super) fn await_writable(&self) {
        self.0.wants_writable.set(true);
        if let Ok(link) = self.0.link() {
            link.await_writable();
        }
    }

    fn check_room(&self) -> Result<(), SendError> {
        let link = self.0.link()?;
        match link.pressure() {
            Pressure::Low => Ok(()),
            Pressure::High => {
                self.await_writable();
                Err(SendError::Full)
            }
            Pressure::Closed => Err(SendError::Closed),
        }
    }

    fn write_report(&self, fields: &[(&str, &[u8])]) -> Result<(), SendError> {
        let link = self.0.link()?;
        let remote = self.0.remote.borrow();
        link.report((&remote, &self.0.local_text), fields);
        self.0.spoke.set(true);
        Ok(())
    }
}

impl PartialEq for SessionHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionHandle")
            .field(&self.0.local.as_str())
            .finish()
    }
}

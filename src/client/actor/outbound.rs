//! Sends one message over an MSRP session: chunks with a window, then the success report.
use super::{pipe::Events, source::Source};
use crate::{
    client::{Config, outgoing::Progress},
    msrp::{
        ByteRange, Continuation, FailureReport, Head, OutgoingHead, OutgoingId,
        actor::{SendError, SessionEvent, SessionHandle},
    },
};
use bytes::Bytes;
use std::{collections::HashMap, io};
use tokio::time::timeout;

/// Why a message did not get through.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other side said so, or was silent (408).
    Status(u16),
    /// The session ended before the message did.
    Lost,
    /// Nothing happened for too long.
    Silent,
    /// The content cannot be read.
    Read(io::Error),
}

/// A message on its way out.
pub(super) struct Transfer<'a> {
    pub session: &'a SessionHandle,
    pub config: &'a Config,
    pub message_id: &'a str,
    pub content_type: &'a str,
    pub success_report: bool,
    pub progress: Option<&'a Progress>,
    total: u64,
    position: u64,
    arrived: u64,
    outstanding: HashMap<OutgoingId, u64>,
    held: Option<Vec<Bytes>>,
    reported: bool,
}

impl<'a> Transfer<'a> {
    /// A transfer of everything `source` has.
    pub fn new(
        session: &'a SessionHandle,
        config: &'a Config,
        message_id: &'a str,
        content_type: &'a str,
    ) -> Self {
        Self {
            session,
            config,
            message_id,
            content_type,
            success_report: false,
            progress: None,
            total: 0,
            position: 0,
            arrived: 0,
            outstanding: HashMap::new(),
            held: None,
            reported: false,
        }
    }

    /// Sends it and waits until every chunk is answered and the report asked for is here.
    ///
    /// Memory: one window of chunks. A failure ends the message with an aborted chunk.
    pub async fn run(mut self, mut source: Source, events: &mut Events) -> Result<(), Failure> {
        self.total = source.left();
        let result = self.drive(&mut source, events).await;
        if result.is_err() && self.position > 0 && self.position < self.total {
            let head = self.head(None);
            // if the session is gone there is nobody to tell
            let _ = self.session.send(head, &[], Continuation::Aborted);
        }
        result
    }

    async fn drive(&mut self, source: &mut Source, events: &mut Events) -> Result<(), Failure> {
        while !self.session.is_bound() {
            self.step(events).await?;
        }
        loop {
            let blocked = self.fill(source).await?;
            let all_sent = self.position == self.total && self.held.is_none();
            if all_sent && self.outstanding.is_empty() && (self.reported || !self.success_report) {
                return Ok(());
            }
            if blocked {
                self.session.when_writable().await;
            }
            self.step(events).await?;
        }
    }

    /// Sends while the window and the connection take it; tells whether the connection is full.
    async fn fill(&mut self, source: &mut Source) -> Result<bool, Failure> {
        while self.outstanding.len() < self.config.window.max(1) {
            let pieces = match self.held.take() {
                Some(pieces) => pieces,
                None if source.left() == 0 => break,
                None => {
                    let chunk = self.config.chunk_octets();
                    source.next(chunk).await.map_err(Failure::Read)?
                }
            };
            let octets: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
            let end = self.position + octets;
            let flag = match end == self.total {
                true => Continuation::Complete,
                false => Continuation::MoreChunks,
            };
            match self.session.send(self.head(Some(end)), &pieces, flag) {
                Ok(id) => {
                    self.position = end;
                    self.outstanding.insert(id, octets);
                }
                Err(SendError::Closed) => return Err(Failure::Lost),
                Err(SendError::Full | SendError::NotBound) => {
                    self.held = Some(pieces);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn head(&self, end: Option<u64>) -> OutgoingHead {
        OutgoingHead {
            message_id: Bytes::copy_from_slice(self.message_id.as_bytes()),
            byte_range: Some(ByteRange::after(self.position, end, Some(self.total))),
            content_type: Bytes::copy_from_slice(self.content_type.as_bytes()),
            success_report: self.success_report,
            failure_report: FailureReport::Yes,
            ..OutgoingHead::default()
        }
    }

    /// Works on one event.
    async fn step(&mut self, events: &mut Events) -> Result<(), Failure> {
        let waits_for_report = self.position == self.total && self.outstanding.is_empty();
        let patience = match waits_for_report {
            true => self.config.report_timeout,
            false => self.config.idle_timeout,
        };
        let event = timeout(patience, events.next(self.session)).await;
        match event.map_err(|_| Failure::Silent)?.ok_or(Failure::Lost)? {
            SessionEvent::Response { transaction, code } => self.answered(transaction, code),
            SessionEvent::Report(head) => self.take_report(&head),
            SessionEvent::Closed(_) => Err(Failure::Lost),
            _ => Ok(()),
        }
    }

    fn answered(&mut self, id: OutgoingId, code: u16) -> Result<(), Failure> {
        let Some(octets) = self.outstanding.remove(&id) else {
            return Ok(());
        };
        if code != 200 {
            return Err(Failure::Status(code));
        }
        self.arrived += octets;
        if let Some(progress) = self.progress {
            progress(self.arrived, self.total);
        }
        Ok(())
    }

    /// A success report may come for a part of the message; the last octet counts.
    fn take_report(&mut self, head: &Head) -> Result<(), Failure> {
        if head.message_id() != Some(self.message_id) {
            return Ok(());
        }
        let code = head.status().map_or(400, |status| status.code);
        if code != 200 {
            return Err(Failure::Status(code));
        }
        let range = head.byte_range().ok().flatten();
        let reaches_end =
            range.is_none_or(|range| range.last.is_none_or(|last| last >= self.total));
        self.reported |= reaches_end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipe::pipe;
    use super::*;
    use crate::{
        client::outgoing::Content,
        msrp::{
            self, ChunkToken,
            actor::{OpenSession, Role, Sink, Switchboard},
        },
    };
    use std::{cell::RefCell, rc::Rc};

    /// What the far end does with chunks.
    #[derive(Clone, Copy, PartialEq)]
    enum Far {
        Takes,
        Refuses(u16),
        Hangs,
    }

    struct FarEnd {
        does: Far,
        octets: Rc<RefCell<Vec<u8>>>,
        wants_report: HashMap<ChunkToken, String>,
    }

    impl Sink for FarEnd {
        fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
            for event in events.drain(..) {
                match event {
                    SessionEvent::Head(inbound) if inbound.head.success_report() => {
                        let id = inbound.head.message_id().unwrap().to_owned();
                        self.wants_report.insert(inbound.chunk, id);
                    }
                    SessionEvent::Body(_, octets) => {
                        self.octets.borrow_mut().extend_from_slice(&octets)
                    }
                    SessionEvent::End(chunk, flag) => self.end(chunk, flag, session),
                    _ => {}
                }
            }
        }
    }

    impl FarEnd {
        fn end(&mut self, chunk: ChunkToken, flag: Continuation, session: &SessionHandle) {
            match self.does {
                Far::Takes => session.respond(chunk, 200),
                Far::Refuses(code) => session.respond(chunk, code),
                Far::Hangs => return session.close(),
            }
            let id = self.wants_report.remove(&chunk);
            if let (Some(id), Continuation::Complete, Far::Takes) = (id, flag, self.does) {
                let total = self.octets.borrow().len() as u64;
                session
                    .success_report(&id, ByteRange::whole(total))
                    .unwrap();
            }
        }
    }

    fn board() -> Rc<Switchboard> {
        let config = msrp::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            ..msrp::Config::default()
        };
        Switchboard::single(&config).unwrap()
    }

    fn open(board: &Rc<Switchboard>, id: &str, role: Role, sink: Box<dyn Sink>) -> SessionHandle {
        board.open(OpenSession {
            local_id: id.to_owned(),
            remote_path: None,
            role,
            accept_types: Vec::new(),
            max_size: None,
            sink,
        })
    }

    async fn transfer(octets: Vec<u8>, does: Far) -> (Result<(), Failure>, Vec<u8>, Vec<u64>) {
        let (near, far) = (board(), board());
        let arrived = Rc::new(RefCell::new(Vec::new()));
        let far_end = FarEnd {
            does,
            octets: arrived.clone(),
            wants_report: HashMap::new(),
        };
        let far_session = open(
            &far,
            &far.new_session_id(),
            Role::Passive,
            Box::new(far_end),
        );
        let (sink, mut events) = pipe();
        let role = Role::Active(far.listen_addr());
        let session = open(&near, &near.new_session_id(), role, sink);
        let path =
            |session: &SessionHandle| msrp::Path::parse(session.local_uri().as_str()).unwrap();
        far_session.set_remote(&path(&session));
        session.set_remote(&path(&far_session));

        let config = Config {
            window: 3,
            ..Config::default()
        };
        let steps = Rc::new(RefCell::new(Vec::new()));
        let noted = steps.clone();
        let progress: Progress = Rc::new(move |arrived, _| noted.borrow_mut().push(arrived));
        let mut job = Transfer::new(&session, &config, "m123", "text/plain");
        job.success_report = true;
        job.progress = Some(&progress);
        let source = Source::open(&Content::Bytes(octets.into())).await.unwrap();
        let result = job.run(source, &mut events).await;
        near.stop();
        far.stop();
        let arrived = arrived.borrow().clone();
        let steps = steps.borrow().clone();
        (result, arrived, steps)
    }

    #[actix::test]
    async fn message_of_many_windows_arrives_whole_and_is_reported() {
        let octets: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
        let (result, arrived, steps) = transfer(octets.clone(), Far::Takes).await;
        result.unwrap();
        assert_eq!(arrived, octets);
        assert_eq!(steps.last(), Some(&1_000_000));
        assert_eq!(steps.len(), 16);
    }

    #[actix::test]
    async fn refusal_names_its_status() {
        let (result, ..) = transfer(vec![0; 300_000], Far::Refuses(413)).await;
        assert!(matches!(result, Err(Failure::Status(413))), "{result:?}");
    }

    #[actix::test]
    async fn session_that_ends_early_is_a_loss() {
        let (result, ..) = transfer(vec![0; 300_000], Far::Hangs).await;
        assert!(
            matches!(result, Err(Failure::Lost | Failure::Status(481))),
            "{result:?}"
        );
    }
}

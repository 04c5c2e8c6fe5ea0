//! Ends of MSRP sessions for tests: switchboards with sinks that pass everything on, and raw
//! sockets that speak whatever they are told.
#![allow(dead_code, reason = "each test file uses its own part")]

use bytes::Bytes;
use restante::msrp::{
    Buffer, ChunkToken, Config, Outgoing, OutgoingHead, OutgoingId, Path, Progress,
    actor::{
        CloseReason, OpenSession, Role, SendError, SessionEvent, SessionHandle, Sink, Switchboard,
    },
    assembly::Cursor,
};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, net::SocketAddr, rc::Rc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a session takes.
#[derive(Clone, Default)]
pub struct Rules {
    pub accept_types: Vec<String>,
    pub max_size: Option<u64>,
}

impl Rules {
    pub fn text_up_to(octets: u64) -> Self {
        Self {
            accept_types: vec!["text/plain".into()],
            max_size: Some(octets),
        }
    }
}

/// Hears what a session's sink hears. Chunks are answered 200 at their end.
pub struct Ear {
    events: mpsc::UnboundedReceiver<SessionEvent>,
    messages: HashMap<String, Buffer>,
    open: HashMap<ChunkToken, (String, Cursor)>,
}

struct Mouth(mpsc::UnboundedSender<SessionEvent>);

impl Sink for Mouth {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
        for event in events.drain(..) {
            if let SessionEvent::End(chunk, _) = event {
                session.respond(chunk, 200);
            }
            let _ = self.0.send(event);
        }
    }
}

impl Ear {
    pub fn new() -> (Self, Box<dyn Sink>) {
        let (mouth, ear) = mpsc::unbounded_channel();
        let ear = Self {
            events: ear,
            messages: HashMap::new(),
            open: HashMap::new(),
        };
        (ear, Box::new(Mouth(mouth)))
    }

    pub async fn try_next(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    pub async fn next(&mut self) -> SessionEvent {
        let event = timeout(PATIENCE, self.events.recv()).await;
        event
            .expect("something happens")
            .expect("the session lives")
    }

    pub async fn bound(&mut self) {
        while !matches!(self.next().await, SessionEvent::Bound) {}
    }

    pub async fn response(&mut self) -> (OutgoingId, u16) {
        loop {
            if let SessionEvent::Response { transaction, code } = self.next().await {
                return (transaction, code);
            }
        }
    }

    pub async fn closed(&mut self) -> CloseReason {
        loop {
            if let SessionEvent::Closed(reason) = self.next().await {
                return reason;
            }
        }
    }
}

pub fn board(config: &Config) -> Rc<Switchboard> {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..config.clone()
    };
    Switchboard::single(&config).unwrap()
}

pub fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub fn open_passive(board: &Rc<Switchboard>, rules: Rules) -> (SessionHandle, Ear) {
    let (ear, sink) = Ear::new();
    let session = board.open(OpenSession {
        local_id: board.new_session_id(),
        remote_path: None,
        role: Role::Passive,
        accept_types: rules.accept_types,
        max_size: rules.max_size,
        sink,
    });
    (session, ear)
}

pub fn open_active(
    ours: &Rc<Switchboard>,
    theirs: &Rc<Switchboard>,
    peer: &SessionHandle,
) -> (SessionHandle, Ear) {
    let (ear, sink) = Ear::new();
    let session = ours.open(OpenSession {
        local_id: ours.new_session_id(),
        remote_path: Some(peer.local_uri().clone().into()),
        role: Role::Active(theirs.listen_addr()),
        accept_types: vec![],
        max_size: None,
        sink,
    });
    (session, ear)
}

/// A bound pair: the active end first.
pub async fn pair(config: &Config) -> (SessionHandle, Ear, SessionHandle, Ear) {
    let (ours, theirs) = (board(config), board(config));
    let (passive, mut passive_ear) = open_passive(&theirs, Rules::default());
    let (active, mut active_ear) = open_active(&ours, &theirs, &passive);
    passive.set_remote(&active.local_uri().clone().into());
    active_ear.bound().await;
    passive_ear.bound().await;
    (active, active_ear, passive, passive_ear)
}

pub fn text(message_id: &str) -> OutgoingHead {
    OutgoingHead::new(message_id.to_owned(), "text/plain")
}

/// Sends a message in chunks, as fast as the connection takes it. Returns how many.
pub async fn send_all(session: &SessionHandle, id: &str, mut octets: Bytes, chunk: u64) -> usize {
    let mut message = Outgoing::new(Some(octets.len() as u64), chunk);
    let mut chunks = 0;
    while let Some(chunk) = message.next_chunk(&mut octets, true) {
        chunks += 1;
        loop {
            let mut head = text(id);
            head.byte_range = Some(chunk.range);
            match session.send(head, std::slice::from_ref(&chunk.body), chunk.flag) {
                Ok(_) => break,
                Err(SendError::Full) => session.when_writable().await,
                Err(error) => panic!("{error}"),
            }
        }
    }
    chunks
}

/// Waits for the next whole message; returns its id and octets.
pub async fn receive(ear: &mut Ear) -> (String, Vec<u8>) {
    loop {
        let event = ear.next().await;
        let Ear { messages, open, .. } = ear;
        match event {
            SessionEvent::Head(inbound) => {
                let id = inbound.head.message_id().unwrap().to_owned();
                let range = inbound.head.byte_range().unwrap();
                let buffer = messages
                    .entry(id.clone())
                    .or_insert_with(|| Buffer::new(1 << 30, 16));
                open.insert(inbound.chunk, (id, buffer.begin(range).unwrap()));
            }
            SessionEvent::Body(chunk, octets) => {
                let (id, cursor) = open.get_mut(&chunk).unwrap();
                messages
                    .get_mut(id)
                    .unwrap()
                    .write(cursor, &octets)
                    .unwrap();
            }
            SessionEvent::End(chunk, flag) => {
                let (id, cursor) = open.remove(&chunk).unwrap();
                let progress = messages.get_mut(&id).unwrap().end(cursor, flag).unwrap();
                if let Progress::Complete { .. } = progress {
                    let buffer = messages.remove(&id).unwrap();
                    return (id, buffer.into_octets().unwrap());
                }
            }
            SessionEvent::Closed(reason) => panic!("closed: {reason:?}"),
            _ => {}
        }
    }
}

pub fn hash(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

/// A peer that speaks octets.
pub struct Raw {
    tcp: TcpStream,
    heard: String,
}

impl Raw {
    pub async fn connect(board: &Switchboard) -> Self {
        Self::connect_to(board.listen_addr()).await
    }

    pub async fn connect_to(addr: SocketAddr) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let heard = String::new();
        Self { tcp, heard }
    }

    pub async fn write(&mut self, text: &str) {
        self.tcp.write_all(text.as_bytes()).await.unwrap();
    }

    /// Writes a whole SEND; no body at all where `body` is empty.
    pub async fn send(&mut self, to: &str, id: &str, fields: &[&str], body: &str) {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let body = match body {
            "" => String::new(),
            body => format!("\r\n{body}\r\n"),
        };
        self.write(&format!(
            "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: msrp://h:1/me;tcp\r\n{fields}{body}\
             -------{id}$\r\n"
        ))
        .await;
    }

    /// Waits until `text` was heard; returns everything heard up to it.
    pub async fn until(&mut self, text: &str) -> String {
        let mut octets = [0; 4096];
        loop {
            if let Some(at) = self.heard.find(text) {
                return self.heard.drain(..at + text.len()).collect();
            }
            let read = timeout(PATIENCE, self.tcp.read(&mut octets)).await;
            let length = read.expect("the peer speaks").unwrap();
            assert!(length > 0, "closed after {:?}", self.heard);
            self.heard
                .push_str(&String::from_utf8_lossy(&octets[..length]));
        }
    }

    /// Waits for the end-line of the transaction whose id starts with `id`.
    pub async fn response(&mut self, id: &str) -> String {
        let end = format!("-------{id}");
        let text = self.until(&end).await;
        self.until("$\r\n").await;
        text
    }

    /// Reads what there is and forgets it; returns how much it was.
    pub async fn drain(&mut self) -> usize {
        let mut octets = vec![0; 1 << 20];
        let read = timeout(PATIENCE, self.tcp.read(&mut octets)).await;
        read.expect("the peer speaks").unwrap()
    }

    /// Waits for the end of the stream; returns what was heard before.
    pub async fn rest(&mut self) -> String {
        let mut octets = Vec::new();
        // a peer that aborts has said all it has to say
        let _ = self.tcp.read_to_end(&mut octets).await;
        self.heard.push_str(&String::from_utf8_lossy(&octets));
        std::mem::take(&mut self.heard)
    }
}

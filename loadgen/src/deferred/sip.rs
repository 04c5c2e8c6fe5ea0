//! Our own language: SIP calls and MSRP channels.
use super::{
    book::Book,
    channel::{Answers, Inbound, Outbound, description},
    options::{Handover, Options, Server},
    packet::Packet,
    phone::Phone,
    wire::Wire,
};
use crate::{
    progress::Progress,
    relay::{
        letter::{Letter, Range, Style},
        link::{self, Link, Scratch},
    },
    users::{Names, Registry, token_in},
};
use std::{net::SocketAddr, rc::Rc, sync::Mutex, time::Instant};
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    task::{JoinHandle, spawn_local},
};

/// The server under test, and what all connections share.
pub struct Sip {
    server: Server,
    names: Names,
    book: Rc<Book>,
    scratch: Scratch,
}

/// A sender in a call.
pub struct Sender {
    phone: Phone,
    outbound: Rc<Outbound>,
    task: JoinHandle<()>,
}

/// A receiver whom the server knows, with nothing asked for.
pub struct Receiver {
    number: usize,
    phone: Phone,
}

/// Makes the senders and receivers of the run at the server.
///
/// Errors: a sentence for the user.
pub fn provide(options: &Options) -> Result<(), String> {
    let server = &options.server;
    let registry = Registry {
        server: server.http,
        token: token_in(server.data.as_deref()).map_err(|error| error.to_string())?,
    };
    let count = options.load.senders as usize * 2;
    let begun = Instant::now();
    let progress = Progress::begin("users", count as u64, options.output.quiet, begun);
    let progress = Mutex::new(progress);
    let made = |done: usize| {
        if let Ok(mut progress) = progress.lock() {
            progress.at(done as u64, Instant::now());
        }
    };
    let outcome = registry.make(&Names::new(&server.domain), count, made);
    if let Ok(progress) = progress.into_inner() {
        progress.end(count as u64, Instant::now());
    }
    outcome.map_err(|error| error.to_string())
}

impl Sip {
    /// The way to `server`.
    pub fn new(server: &Server, book: Rc<Book>) -> Self {
        Self {
            server: server.clone(),
            names: Names::new(&server.domain),
            book,
            scratch: link::scratch(),
        }
    }

    async fn phone(&self, index: usize) -> Result<Phone, String> {
        let address = self.names.address(index);
        let user = address.strip_prefix("sip:").unwrap_or(&address);
        let user = user.split('@').next().unwrap_or_default();
        Phone::connect(&self.server, user, &self.names.password(index)).await
    }

    /// The address of the receiver `number`; receivers come after all senders.
    fn receiver_of(&self, number: usize) -> usize {
        self.book.lanes() + number
    }

    /// Opens the channel that `answer` describes.
    async fn open(&self, answer: &Packet) -> Result<(String, Rc<Link>, OwnedReadHalf), String> {
        let (path, address) = answer.path()?;
        let stream = connect(address).await?;
        let (link, read) = Link::new(stream, None);
        Ok((path, link, read))
    }

    /// The deferred function of the server.
    fn function(&self) -> String {
        format!("sip:deferred@{}", self.server.domain)
    }

    /// Receives through the channel of `other` until the call ends.
    async fn receive(&self, receiver: &mut Receiver, other: &Packet) -> Result<(), String> {
        let Receiver { number, phone } = receiver;
        let (path, link, read) = self.open(other).await?;
        let own = own_path('r', *number);
        // who connects has to send first: a SEND without content
        link.add(|out| {
            let bind = format!(
                "MSRP bind{number:06x} SEND\r\nTo-Path: {path}\r\nFrom-Path: {own}\r\n\
                 Message-ID: bind.{number:06x}\r\n-------bind{number:06x}$\r\n"
            );
            out.extend_from_slice(bind.as_bytes());
        });
        link.flush();
        let inbound = Inbound::new(*number, self.book.clone(), link.clone());
        let scratch = self.scratch.clone();
        tokio::select! {
            ended = phone.ended() => ended,
            why = link.drive(read, &scratch, inbound) => {
                // the server may close the channel before its BYE is read
                let ended = phone.ended().await;
                ended.map_err(|_| format!("a receiver's channel: {why}"))
            }
        }
    }
}

impl Wire for Sip {
    type Sender = Sender;
    type Receiver = Receiver;

    async fn sender(&self, number: usize) -> Result<Sender, String> {
        let mut phone = self.phone(number).await?;
        let own = own_path('s', number);
        let to = self.names.address(self.receiver_of(number));
        let answer = phone.call(&to, &description(&own, "sendonly")).await?;
        let (path, link, read) = self.open(&answer).await?;
        let style = Style {
            run: self.book.run,
            size: self.book.size,
            range: Range::Exact,
            failure_report: None,
            success_report: false,
        };
        let letter = Letter::new(&style, number, &path, &own);
        let outbound = Outbound::new(number, self.book.clone(), link.clone(), letter);
        let outbound = Rc::new(outbound);
        let answers = Answers::new(outbound.clone());
        let (book, scratch) = (self.book.clone(), self.scratch.clone());
        let task = spawn_local(async move {
            let why = link.drive(read, &scratch, answers).await;
            book.broken(number, &format!("a sender's channel: {why}"));
        });
        Ok(Sender {
            phone,
            outbound,
            task,
        })
    }

    fn pump(sender: &Sender) {
        sender.outbound.pump();
    }

    async fn part(mut sender: Sender) {
        sender.phone.hang_up().await;
        sender.task.abort();
    }

    async fn receiver(&self, number: usize) -> Result<Receiver, String> {
        let mut phone = self.phone(self.receiver_of(number)).await?;
        if self.server.handover == Handover::Fetch {
            let offer = description(&own_path('r', number), "recvonly");
            phone.knock("INVITE", &self.function(), &offer).await?;
        }
        Ok(Receiver { number, phone })
    }

    async fn fetch(&self, mut receiver: Receiver) -> Result<(), String> {
        let own = description(&own_path('r', receiver.number), "recvonly");
        let other = match self.server.handover {
            Handover::Fetch => receiver.phone.call(&self.function(), &own).await?,
            Handover::Push => {
                receiver.phone.register().await?;
                let invite = receiver.phone.called().await?;
                receiver.phone.accept(&invite, &own).await?;
                invite
            }
        };
        self.receive(&mut receiver, &other).await
    }
}

/// The URI of one of our ends; it listens nowhere.
fn own_path(kind: char, number: usize) -> String {
    format!("msrp://127.0.0.1:9/{kind}{number:06x};tcp")
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await;
    stream.map_err(|error| format!("no connection to {address}: {error}"))
}

//! The language of the servers we are compared with: XMPP, with the acknowledgements of XEP-0198.
use super::{
    book::Book,
    options::XmppServer,
    stanza,
    stream::{Answers, Inbound, Outbound},
    wire::Wire,
};
use crate::{
    relay::link::{self, Link, Scratch},
    users::Names,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{rc::Rc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::Notify,
    task::{JoinHandle, spawn_local},
    time::timeout,
};

/// Longest wait for a step of a login.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server under test, and what all connections share.
pub struct Xmpp {
    server: XmppServer,
    names: Names,
    book: Rc<Book>,
    scratch: Scratch,
}

/// A sender who is logged in.
pub struct Sender {
    outbound: Rc<Outbound>,
    task: JoinHandle<()>,
}

/// A receiver who is logged in and has not said that it is there.
pub struct Receiver {
    number: usize,
    link: Rc<Link>,
    read: OwnedReadHalf,
}

impl Xmpp {
    /// The way to `server`.
    pub fn new(server: &XmppServer, book: Rc<Book>) -> Self {
        Self {
            server: server.clone(),
            names: Names::new(&server.domain),
            book,
            scratch: link::scratch(),
        }
    }

    /// The account `index`, without a scheme.
    fn account(&self, index: usize) -> String {
        self.names.address(index).replace("sip:", "")
    }

    async fn log_in(&self, index: usize) -> Result<(Rc<Link>, OwnedReadHalf), String> {
        let target = self.server.target;
        let wrong = |error: std::io::Error| format!("no connection to {target}: {error}");
        let stream = TcpStream::connect(target).await.map_err(wrong)?;
        stream.set_nodelay(true).map_err(wrong)?;
        let mut entry = Entry {
            stream,
            read: Vec::new(),
        };
        let user = self.account(index);
        let local = user.split('@').next().unwrap_or_default();
        let password = self.names.password(index);
        let proof = STANDARD.encode(format!("\0{local}\0{password}"));
        let domain = &self.server.domain;
        let opening = format!(
            "<stream:stream to='{domain}' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        let auth = format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>"
        );
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                    <resource>one</resource></bind></iq>";
        entry.step(&opening, "stream:features").await?;
        entry.step(&auth, "success").await?;
        entry.step(&opening, "stream:features").await?;
        entry.step(bind, "iq").await?;
        entry
            .step("<enable xmlns='urn:xmpp:sm:3'/>", "enabled")
            .await?;
        Ok(Link::new(entry.stream, None))
    }
}

/// A connection whose client is logging in.
struct Entry {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Entry {
    /// Sends `request` and waits for the element `wanted`.
    async fn step(&mut self, request: &str, wanted: &str) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("the login broke: {error}");
        let written = self.stream.write_all(request.as_bytes()).await;
        written.map_err(wrong)?;
        loop {
            while let Some((element, used)) = stanza::next(&self.read).filter(|next| next.1 > 0) {
                let name = String::from_utf8_lossy(stanza::name(element)).into_owned();
                let said = String::from_utf8_lossy(element).into_owned();
                self.read.drain(..used);
                match name.as_str() {
                    name if name == wanted => return Ok(()),
                    "failure" | "failed" | "stream:error" => return Err(format!("login: {said}")),
                    _ => {}
                }
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            let read = read.map_err(|_| format!("no {wanted} came"))?;
            if read.map_err(wrong)? == 0 {
                return Err(format!("closed instead of {wanted}"));
            }
        }
    }
}

impl Wire for Xmpp {
    type Sender = Sender;
    type Receiver = Receiver;

    async fn sender(&self, number: usize) -> Result<Sender, String> {
        let (link, read) = self.log_in(number).await?;
        let outbound = Rc::new(Outbound {
            number,
            book: self.book.clone(),
            link: link.clone(),
            to: self.account(self.book.lanes() + number),
        });
        let answers = Answers::new(outbound.clone());
        let (book, scratch) = (self.book.clone(), self.scratch.clone());
        let task = spawn_local(async move {
            let why = link.drive(read, &scratch, answers).await;
            book.broken(number, &format!("a sender's connection: {why}"));
        });
        Ok(Sender { outbound, task })
    }

    fn pump(sender: &Sender) {
        sender.outbound.pump();
    }

    async fn part(sender: Sender) {
        let link = &sender.outbound.link;
        link.add(|out| out.extend_from_slice(b"</stream:stream>"));
        link.flush();
        sender.task.abort();
    }

    async fn receiver(&self, number: usize) -> Result<Receiver, String> {
        let (link, read) = self.log_in(self.book.lanes() + number).await?;
        Ok(Receiver { number, link, read })
    }

    async fn fetch(&self, receiver: Receiver) -> Result<(), String> {
        let Receiver { number, link, read } = receiver;
        let is_empty = Rc::new(Notify::new());
        let book = self.book.clone();
        let inbound = Inbound::new(number, book, link.clone(), is_empty.clone());
        link.add(|out| out.extend_from_slice(b"<presence/>"));
        link.flush();
        tokio::select! {
            () = is_empty.notified() => Ok(()),
            why = link.drive(read, &self.scratch, inbound) => {
                Err(format!("a receiver's connection: {why}"))
            }
        }
    }
}

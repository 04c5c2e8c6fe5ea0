//! A thread's connections: those it opens for its pairs, and those that come to its receivers.
use super::{
    entry::{self, Line, Manners},
    flights::Flights,
    letter::Letter,
    link::{Link, Peer},
    pair::Pair,
    receiver::Receiver,
    sender::Sender,
    worker::Worker,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{net::SocketAddr, rc::Rc, sync::atomic::Ordering, time::Duration};
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::spawn_local,
    time,
};

/// Connections that one thread opens at the same time.
const OPENED_AT_ONCE: usize = 32;

/// Wait for the rest of a line that was cut.
const PEEK_AGAIN: Duration = Duration::from_millis(1);

impl Worker {
    /// Connects all pairs of this thread.
    ///
    /// Errors: a sentence for the user.
    pub async fn set_up(self: Rc<Self>) -> Result<(), String> {
        let numbers: Vec<usize> = self.team.numbers().collect();
        let pairs = stream::iter(numbers).map(|number| self.clone().join(number));
        pairs.buffer_unordered(OPENED_AT_ONCE).try_collect().await
    }

    /// Connects the two ends of a pair.
    async fn join(self: Rc<Self>, number: usize) -> Result<(), String> {
        let plan = &self.plan;
        let mut path = Vec::new();
        let mut receiver = None;
        let own = match plan.receiver_relay {
            None => {
                let scheme = entry::scheme(plan.security.is_some());
                format!(
                    "{scheme}://{}/r{number:06x};tcp",
                    plan.receiver_address(number)
                )
            }
            Some(relay) => {
                let mut line = entry::connect(relay, plan.security.as_ref()).await?;
                let own = line.own_uri('r', number)?;
                let granted = self.log_in(&mut line, relay, &own, number).await?;
                path = granted;
                path.reverse();
                receiver = Some(line);
                own
            }
        };
        path.push(own);
        let mut line = entry::connect(plan.sender_target, plan.security.as_ref()).await?;
        let own = line.own_uri('s', number)?;
        if plan.sender_logs_in {
            let mut granted = self
                .log_in(&mut line, plan.sender_target, &own, number)
                .await?;
            granted.append(&mut path);
            path = granted;
        }
        let (link, read) = Link::new(line.stream, line.layer);
        let letter = Letter::new(&plan.style(), number, &path.join(" "), &own);
        let flights = Flights::new(plan.needs());
        let pair = Rc::new(Pair::new(
            number,
            link.clone(),
            letter,
            plan.manner,
            flights,
        ));
        self.team.add(pair.clone());
        if let Some(line) = receiver {
            let link = self.receive(line);
            *pair.receiver.borrow_mut() = Some(link);
        }
        let peer = Sender::new(self.team.clone(), pair.clone());
        spawn_local(
            self.clone()
                .drive(link, read, peer, "a sender's connection"),
        );
        self.team.board().connected.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn log_in(
        &self,
        line: &mut Line,
        relay: SocketAddr,
        own: &str,
        number: usize,
    ) -> Result<Vec<String>, String> {
        let plan = &self.plan;
        let names_uri = plan.names_uri;
        let manners = Manners { names_uri };
        let granted = entry::log_in(line, relay, own, plan.user(number), manners).await?;
        Ok(granted.use_path)
    }

    fn receive(self: &Rc<Self>, line: Line) -> Rc<Link> {
        let (link, read) = Link::new(line.stream, line.layer);
        let peer = Receiver::new(self.team.clone(), link.clone());
        spawn_local(
            self.clone()
                .drive(link.clone(), read, peer, "a receiver's connection"),
        );
        link
    }

    async fn drive(
        self: Rc<Self>,
        link: Rc<Link>,
        read: OwnedReadHalf,
        peer: impl Peer,
        whose: &'static str,
    ) {
        let why = link.drive(read, &self.scratch, peer).await;
        link.close();
        self.team.parted(whose, &why);
        for pair in self.team.pairs() {
            self.team.look_at(&pair);
        }
    }

    /// Takes connections of receivers; those of another thread's pairs are handed over.
    pub async fn accept(
        self: Rc<Self>,
        listener: std::net::TcpListener,
        others: Rc<[UnboundedSender<std::net::TcpStream>]>,
    ) {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return self.team.refuse("a listener was of no use");
        };
        while let Ok((stream, _)) = listener.accept().await {
            if self.plan.threads == 1 || self.plan.sender_logs_in {
                spawn_local(self.clone().greet(stream));
            } else {
                spawn_local(self.clone().pass_on(stream, others.clone()));
            }
        }
    }

    /// Takes a receiver's connection, after the handshake where there is one.
    async fn greet(self: Rc<Self>, stream: TcpStream) {
        let layer = match &self.plan.security {
            Some(security) => security.accept(&stream).await.map(Some),
            None => Ok(None),
        };
        match layer {
            Ok(layer) => drop(self.receive(Line { stream, layer })),
            Err(why) => self.team.refuse(format!("a receiver's connection: {why}")),
        }
    }

    /// Hands a connection to the thread of the pair that its first message belongs to.
    async fn pass_on(
        self: Rc<Self>,
        stream: TcpStream,
        others: Rc<[UnboundedSender<std::net::TcpStream>]>,
    ) {
        let mut seen = [0; 512];
        while let Ok(octets @ 1..) = stream.peek(&mut seen).await {
            let Some(number) = first_receiver(&seen[..octets]) else {
                // the rest of the line is still to come
                time::sleep(PEEK_AGAIN).await;
                continue;
            };
            if let (Ok(stream), Some(other)) =
                (stream.into_std(), others.get(number % self.plan.threads))
            {
                // a thread that is gone needs no connections
                let _ = other.send(stream);
            }
            return;
        }
    }

    /// Takes the connections that other threads hand over.
    pub async fn take_over(self: Rc<Self>, mut streams: UnboundedReceiver<std::net::TcpStream>) {
        while let Some(stream) = streams.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => self.clone().greet(stream).await,
                Err(error) => self.team.refuse(error.to_string()),
            }
        }
    }
}

/// The pair named in the To-Path of a connection's first octets.
fn first_receiver(octets: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(octets).ok()?;
    let (_, path) = text.split_once("\r\nTo-Path: ")?;
    let (path, _) = path.split_once("\r\n")?;
    let (_, session) = path.rsplit_once("/r")?;
    usize::from_str_radix(session.strip_suffix(";tcp")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_message_names_its_pair() {
        let head = b"MSRP 1 SEND\r\nTo-Path: msrp://127.0.0.1:7001/r00002a;tcp\r\nFrom-Path: x";
        assert_eq!(first_receiver(head), Some(42));
        assert_eq!(first_receiver(&head[..40]), None);
    }
}

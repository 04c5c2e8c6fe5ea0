//! How a connection begins: it is opened, and its client logs in at the relays that are to act
//! for it. Source: RFC 4976 §5.1.
use super::{
    digest::{Attempt, Challenge, Credentials},
    scan::{Scanner, Step},
    secure::{Layer, Security},
};
use restante::net;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Longest wait for a connection, and for an answer to AUTH.
const PATIENCE: Duration = Duration::from_secs(10);

/// How clients log in.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Whether the answer to a challenge names the digest-uri.
    pub names_uri: bool,
}

/// What a relay granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Relays to go through, the nearest first.
    pub use_path: Vec<String>,
}

/// A connection that nothing but logins has gone over yet.
#[derive(Debug)]
pub struct Line {
    /// The socket.
    pub stream: TcpStream,
    /// TLS, where it is spoken.
    pub layer: Option<Layer>,
}

/// Opens a connection to `target`, with TLS where there is `security`.
///
/// Errors: a sentence for the user.
pub async fn connect(target: SocketAddr, security: Option<&Security>) -> Result<Line, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no connection to {target}: {error}");
    let opened = async {
        let stream = TcpStream::connect(target)
            .await
            .map_err(|error| wrong(&error))?;
        let layer = match security {
            Some(security) => Some(security.connect(&stream, target.ip()).await),
            None => None,
        };
        let layer = layer.transpose().map_err(|error| wrong(&error))?;
        Ok(Line { stream, layer })
    };
    let opened = timeout(PATIENCE, opened).await;
    opened.unwrap_or_else(|elapsed| Err(wrong(&elapsed)))
}

impl Line {
    /// The scheme of URIs of its ends.
    fn scheme(&self) -> &'static str {
        scheme(self.layer.is_some())
    }

    /// The URI of our end: the session `number` of its `kind`.
    ///
    /// Errors: a sentence for the user if the connection is gone.
    pub fn own_uri(&self, kind: char, number: usize) -> Result<String, String> {
        let address = self
            .stream
            .local_addr()
            .map_err(|error| error.to_string())?;
        let scheme = self.scheme();
        Ok(format!("{scheme}://{address}/{kind}{number:06x};tcp"))
    }

    async fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.writable().await?;
        let is_written = match &mut self.layer {
            None => self.stream.try_write(octets)? == octets.len(),
            Some(layer) => {
                layer.seal(octets)?;
                layer.transmit(&self.stream)?
            }
        };
        let error = || std::io::Error::other("a new connection takes nothing");
        is_written.then_some(()).ok_or_else(error)
    }

    /// Adds what comes next to `read`; says whether anything came.
    async fn read(&mut self, read: &mut Vec<u8>) -> std::io::Result<bool> {
        loop {
            self.stream.readable().await?;
            let mut part = [0; 4096];
            let count = match self.stream.try_read(&mut part) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                outcome => outcome?,
            };
            match &mut self.layer {
                None => read.extend_from_slice(&part[..count]),
                Some(layer) => layer.open(&part[..count], read)?,
            }
            return Ok(count > 0);
        }
    }
}

/// The scheme of URIs with TLS under them, or without.
pub fn scheme(is_secure: bool) -> &'static str {
    if is_secure { "msrps" } else { "msrp" }
}

/// Logs `own` in at the relay at `address`, over a connection to it.
///
/// Errors: a sentence for the user.
pub async fn log_in(
    line: &mut Line,
    address: SocketAddr,
    own: &str,
    credentials: &Credentials,
    manners: Manners,
) -> Result<Granted, String> {
    let relay = format!("{}://{address};tcp", line.scheme());
    let mut authorization = None;
    for _ in 0..2 {
        let tid = format!("{:016x}", net::random_u64());
        let request = request(&tid, &relay, own, authorization.as_deref());
        let answer = timeout(PATIENCE, ask(line, &request)).await;
        let answer = answer.map_err(|_| format!("{relay} did not answer AUTH"))??;
        match answer {
            Answer::Granted(granted) => return Ok(granted),
            Answer::Challenged(challenge) => {
                let cnonce = format!("{:016x}", net::random_u64());
                authorization = Some(challenge.answer(&Attempt {
                    credentials,
                    method: "AUTH",
                    uri: &relay,
                    names_uri: manners.names_uri,
                    cnonce: &cnonce,
                }));
            }
            Answer::Refused(why) => return Err(format!("{relay} answered AUTH with {why}")),
        }
    }
    let user = &credentials.user;
    Err(format!("{relay} does not take the password of {user}"))
}

enum Answer {
    Granted(Granted),
    Challenged(Challenge),
    Refused(String),
}

fn request(tid: &str, relay: &str, own: &str, authorization: Option<&str>) -> String {
    let authorization =
        authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    format!(
        "MSRP {tid} AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {own}\r\n{authorization}-------{tid}$\r\n"
    )
}

async fn ask(line: &mut Line, request: &str) -> Result<Answer, String> {
    let wrong = |error: std::io::Error| format!("the connection broke at AUTH: {error}");
    line.write(request.as_bytes()).await.map_err(wrong)?;
    let mut read = Vec::new();
    while line.read(&mut read).await.map_err(wrong)? {
        let next = Scanner::default().next(&read);
        if let (_, Step::Head(head)) = next.map_err(|garbage| garbage.to_string())? {
            let word = String::from_utf8_lossy(head.word).into_owned();
            return Ok(match head.code() {
                Some(200) => granted(head.values("Use-Path").next()),
                Some(401) => {
                    let known = head.values("WWW-Authenticate").find_map(Challenge::parse);
                    known.map_or(Answer::Refused(word), Answer::Challenged)
                }
                _ => Answer::Refused(word),
            });
        }
    }
    Err("the relay closed the connection at AUTH".to_owned())
}

fn granted(use_path: Option<&str>) -> Answer {
    let path = use_path.unwrap_or_default().split_ascii_whitespace();
    let use_path: Vec<String> = path.map(str::to_owned).collect();
    match use_path.is_empty() {
        true => Answer::Refused("200, but no Use-Path".to_owned()),
        false => Answer::Granted(Granted { use_path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// A relay that answers each AUTH with the next of `answers`; returns what it was asked.
    async fn relay(listener: TcpListener, answers: Vec<&'static str>) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        for answer in answers {
            let mut octets = [0; 2048];
            let count = stream.read(&mut octets).await.unwrap();
            let request = String::from_utf8_lossy(&octets[..count]).into_owned();
            let tid = request.split(' ').nth(1).unwrap();
            let answer = format!("MSRP {tid} {answer}-------{tid}$\r\n");
            // in two parts: an answer may come as it likes
            stream.write_all(&answer.as_bytes()[..20]).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(&answer.as_bytes()[20..]).await.unwrap();
            asked.push(request);
        }
        asked
    }

    async fn login(answers: Vec<&'static str>) -> (Result<Granted, String>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credentials = Credentials {
            user: "alice".to_owned(),
            password: "wonder".to_owned(),
        };
        let client = async {
            let mut line = connect(address, None).await.unwrap();
            let own = line.own_uri('s', 3).unwrap();
            let manners = Manners { names_uri: true };
            log_in(&mut line, address, &own, &credentials, manners).await
        };
        tokio::join!(client, relay(listener, answers))
    }

    const CHALLENGE: &str = "401 Unauthorized\r\nTo-Path: x\r\nFrom-Path: y\r\n\
        WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n";
    const GRANT: &str = "200 OK\r\nTo-Path: x\r\nFrom-Path: y\r\n\
        Use-Path: msrp://one:1/a;tcp msrp://two:1/b;tcp\r\nExpires: 900\r\n";

    #[tokio::test]
    async fn challenge_is_answered_and_the_path_is_granted() {
        let (granted, asked) = login(vec![CHALLENGE, GRANT]).await;
        let use_path = granted.unwrap().use_path;
        assert_eq!(use_path, ["msrp://one:1/a;tcp", "msrp://two:1/b;tcp"]);
        assert!(!asked[0].contains("Authorization"), "{}", asked[0]);
        assert!(asked[1].contains("Authorization: Digest username=\"alice\""));
        assert!(asked[1].contains("From-Path: msrp://127.0.0.1:"));
        assert!(asked[1].contains("/s000003;tcp\r\n"));
    }

    #[tokio::test]
    async fn second_challenge_and_refusals_are_told() {
        let (outcome, _) = login(vec![CHALLENGE, CHALLENGE]).await;
        assert!(
            outcome
                .unwrap_err()
                .contains("does not take the password of alice")
        );
        let (outcome, _) = login(vec!["403 No\r\nTo-Path: x\r\nFrom-Path: y\r\n"]).await;
        assert!(outcome.unwrap_err().contains("403"));
        let (outcome, _) = login(vec!["200 OK\r\nTo-Path: x\r\nFrom-Path: y\r\n"]).await;
        assert!(outcome.unwrap_err().contains("Use-Path"));
    }
}

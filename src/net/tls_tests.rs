//! TLS under the streams, over real loopback sockets.
use super::{
    tests::Lines,
    tls::{Credentials, Expect, Files, Fingerprint},
    *,
};
use bytes::Bytes;
use futures_util::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// An issuer of certificates, and the folder they stand in.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// One certificate's files, and its fingerprint.
struct Issued {
    files: Files,
    fingerprint: Fingerprint,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("trust.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn trust(&self) -> PathBuf {
        self.folder.path().join("trust.pem")
    }

    /// Issues a certificate for `host`, over the files of that name.
    fn issue(&self, host: &str) -> Issued {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let uri = format!("sip:{host}").try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let [certificate_file, key_file] =
            ["pem", "key"].map(|kind| self.folder.path().join(format!("{host}.{kind}")));
        std::fs::write(&certificate_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        Issued {
            fingerprint: Fingerprint::of(certificate.der()),
            files: Files {
                certificate: Some(certificate_file),
                key: Some(key_file),
                trust: Some(self.trust()),
                require_client_certificate: false,
            },
        }
    }

    fn load(&self, host: &str) -> Arc<Credentials> {
        Credentials::load(self.issue(host).files).unwrap()
    }
}

fn host(name: &str) -> Expect {
    Expect::Host(name.to_owned())
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (connected, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// Both ends after their handshake, the one that connected first.
async fn shake(
    client: &Credentials,
    server: &Credentials,
    expect: &Expect,
) -> (io::Result<Wire>, io::Result<Wire>) {
    let (connected, accepted) = sockets().await;
    tokio::join!(
        Wire::connect_tls(connected, client, expect),
        Wire::accept_tls(accepted, server)
    )
}

fn line(text: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(text.as_bytes()), "\n".into()]
}

type End = (Inlet<Lines>, Outlet);

async fn pair(client: &Credentials, server: &Credentials, expect: &Expect) -> (End, End) {
    let (one, two) = shake(client, server, expect).await;
    let open = |wire: io::Result<Wire>| open(wire.unwrap(), Lines, StreamLimits::default());
    (open(one), open(two))
}

#[actix::test]
async fn lines_pass_both_ways_and_each_side_knows_the_other() {
    let authority = Authority::new();
    let (client, server) = (authority.load("one.example"), authority.load("two.example"));
    let (mut one, mut two) = pair(&client, &server, &host("two.example")).await;
    for round in 0..3 {
        one.1.write(&mut line(&format!("to two {round}")));
        assert_eq!(
            two.0.next().await.unwrap().unwrap(),
            [format!("to two {round}")]
        );
        two.1.write(&mut line(&format!("to one {round}")));
        assert_eq!(
            one.0.next().await.unwrap().unwrap(),
            [format!("to one {round}")]
        );
    }
    let client = two.0.peer().unwrap();
    assert!(client.trusted && client.hosts == ["one.example"]);
    assert_eq!(client.uris, ["sip:one.example"]);
    let server = one.0.peer().unwrap();
    assert!(server.trusted && server.hosts == ["two.example"]);
    one.1.close();
    assert!(two.0.next().await.is_none());
    two.1.write(&mut line("still open this way"));
    assert_eq!(
        one.0.next().await.unwrap().unwrap(),
        ["still open this way"]
    );
}

#[actix::test]
async fn much_passes_both_ways_at_once_and_nothing_is_lost() {
    let authority = Authority::new();
    let server = authority.load("two.example");
    let (one, two) = pair(&server, &server, &host("two.example")).await;
    let talk = async |(mut inlet, outlet): End| {
        let mut heard = Vec::new();
        let speak = async {
            for n in 0..300_usize {
                let text = "x".repeat(n * 997 % 50_000 + 1);
                if outlet.write(&mut line(&text)) == Pressure::High {
                    outlet.when_low().await;
                }
            }
        };
        let listen = async {
            while heard.len() < 300 {
                heard.extend(inlet.next().await.unwrap().unwrap());
            }
        };
        tokio::join!(speak, listen);
        assert_eq!(outlet.queued(), 0);
        heard
    };
    let (one, two) = tokio::join!(talk(one), talk(two));
    for heard in [one, two] {
        let lengths: Vec<_> = heard.iter().map(String::len).collect();
        let expected: Vec<_> = (0..300).map(|n| n * 997 % 50_000 + 1).collect();
        assert_eq!(lengths, expected);
    }
}

#[actix::test]
async fn stream_goes_on_with_its_session_on_another_arbiter() {
    let authority = Authority::new();
    let server = authority.load("two.example");
    let (one, two) = pair(&server, &server, &host("two.example")).await;
    let (mut inlet, outlet) = two;
    drop(outlet);
    one.1.write(&mut line("first\nhalf"));
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["first", "half"]);
    one.1.write(&mut vec!["unfin".into()]);
    let wait = Duration::from_millis(50);
    assert!(tokio::time::timeout(wait, inlet.next()).await.is_err());
    let detached = inlet.detach().unwrap();
    let shards = Shards::start(1);
    let heard = shards.run_on(0, move || async move {
        let mut inlet = detached.attach().unwrap();
        let outlet = inlet.outlet();
        outlet.write(&mut line("from the other arbiter"));
        let heard = inlet.next().await.unwrap().unwrap();
        outlet.close();
        (heard, std::thread::current().id())
    });
    let mut back = one.0;
    let talk = async {
        let said = back.next().await.unwrap().unwrap();
        one.1.write(&mut line("ished"));
        said
    };
    let (heard, said) = tokio::join!(heard, talk);
    let (heard, thread) = heard.unwrap();
    assert_eq!(
        (heard, said),
        (
            vec!["unfinished".into()],
            vec!["from the other arbiter".into()]
        )
    );
    assert_ne!(thread, std::thread::current().id());
    assert!(back.next().await.is_none());
}

#[actix::test]
async fn new_certificate_is_shown_to_who_comes_later_and_old_connections_go_on() {
    let authority = Authority::new();
    let first = authority.issue("two.example");
    let server = Credentials::load(first.files.clone()).unwrap();
    let client = authority.load("one.example");
    let (mut one, mut two) = pair(&client, &server, &host("two.example")).await;
    assert_eq!(one.0.peer().unwrap().fingerprint, first.fingerprint);

    let second = authority.issue("two.example");
    server.reload().unwrap();
    let (later, _two) = pair(&client, &server, &host("two.example")).await;
    assert_eq!(later.0.peer().unwrap().fingerprint, second.fingerprint);
    one.1.write(&mut line("old"));
    two.1.write(&mut line("old too"));
    assert_eq!(two.0.next().await.unwrap().unwrap(), ["old"]);
    assert_eq!(one.0.next().await.unwrap().unwrap(), ["old too"]);

    std::fs::write(first.files.certificate.unwrap(), "not a certificate").unwrap();
    let error = server.reload().unwrap_err().to_string();
    assert!(error.contains("two.example.pem"), "{error}");
    let (later, _two) = pair(&client, &server, &host("two.example")).await;
    assert_eq!(later.0.peer().unwrap().fingerprint, second.fingerprint);
}

#[actix::test]
async fn client_must_show_a_certificate_of_a_trusted_issuer_where_one_is_required() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut files = authority.issue("two.example").files;
    files.require_client_certificate = true;
    let server = Credentials::load(files.clone()).unwrap();

    let (_, accepted) = shake(
        &authority.load("one.example"),
        &server,
        &host("two.example"),
    )
    .await;
    assert!(accepted.unwrap().peer().unwrap().trusted);

    let mut unknown = stranger.issue("one.example").files;
    unknown.trust = Some(authority.trust());
    let unknown = Credentials::load(unknown).unwrap();
    let (_, accepted) = shake(&unknown, &server, &host("two.example")).await;
    let error = accepted.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");

    files.require_client_certificate = false;
    let lenient = Credentials::load(files).unwrap();
    let (_, accepted) = shake(&unknown, &lenient, &host("two.example")).await;
    let peer = accepted.unwrap().peer().unwrap();
    assert!(!peer.trusted && peer.hosts == ["one.example"]);
}

#[actix::test]
async fn server_is_believed_for_its_own_name_and_a_trusted_issuer_only() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (client, server) = (authority.load("one.example"), authority.load("two.example"));
    for (server, name) in [
        (&server, "three.example"),
        (&stranger.load("two.example"), "two.example"),
    ] {
        let (connected, accepted) = shake(&client, server, &host(name)).await;
        let error = connected.map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        let error = accepted.map(drop).unwrap_err();
        assert!(error.to_string().contains("alert"), "{error}");
    }
    let mut files = authority.issue("one.example").files;
    files.trust = None;
    let trusting_nobody = Credentials::load(files).unwrap();
    let (connected, _) = shake(&trusting_nobody, &server, &host("two.example")).await;
    assert!(connected.is_err());
}

#[actix::test]
async fn server_with_the_announced_fingerprint_is_believed_whoever_issued_it() {
    let stranger = Authority::new();
    let client = Credentials::load(Files::default()).unwrap();
    let issued = stranger.issue("elsewhere.example");
    let server = Credentials::load(issued.files).unwrap();
    let right = Expect::Fingerprints(vec![Fingerprint::of(b"another"), issued.fingerprint]);
    let (mut one, two) = pair(&client, &server, &right).await;
    two.1.write(&mut line("hello"));
    assert_eq!(one.0.next().await.unwrap().unwrap(), ["hello"]);
    assert!(!one.0.peer().unwrap().trusted);

    assert_eq!(two.0.peer(), None);
    let wrong = Expect::Fingerprints(vec![Fingerprint::of(b"another")]);
    let (connected, accepted) = shake(&client, &server, &wrong).await;
    let error = connected.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    assert!(accepted.is_err());
}

#[actix::test]
async fn key_of_another_certificate_and_missing_files_are_refused_by_name() {
    let authority = Authority::new();
    let mut files = authority.issue("one.example").files;
    files.key = authority.issue("two.example").files.key;
    assert!(Credentials::load(files.clone()).is_err());
    files.key = Some("/nowhere/at/all.key".into());
    let error = Credentials::load(files).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all.key"), "{error}");
}

#[actix::test]
async fn octets_that_are_no_tls_end_the_stream() {
    let authority = Authority::new();
    let server = authority.load("two.example");
    let (mut connected, accepted) = sockets().await;
    let speak = tokio::io::AsyncWriteExt::write_all(&mut connected, b"MSRP d93kswow SEND\r\n");
    let (_, accepted) = tokio::join!(speak, Wire::accept_tls(accepted, &server));
    assert_eq!(
        accepted.map(drop).unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
}

#[actix::test]
async fn peer_that_reads_nothing_is_dead_after_the_stall() {
    let authority = Authority::new();
    let server = authority.load("two.example");
    let (_one, two) = shake(&server, &server, &host("two.example")).await;
    let limits = StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        stall: Duration::from_millis(50),
        ..StreamLimits::default()
    };
    let (_inlet, outlet) = open(two.unwrap(), Lines, limits);
    outlet.write(&mut vec![Bytes::from(vec![7; 32 * 1024 * 1024])]);
    outlet.when_low().await;
    assert_eq!(outlet.pressure(), Pressure::Closed);
}

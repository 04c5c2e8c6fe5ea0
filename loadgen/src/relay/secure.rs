//! TLS under our connections: one session for each, driven by whoever reads and writes.
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    fmt,
    io::{self, IoSlice, Read, Write},
    net::IpAddr,
    path::Path,
    sync::Arc,
};
use tokio::net::TcpStream;

/// Whom we believe, and who we are.
#[derive(Clone, Debug)]
pub struct Security {
    client: Arc<ClientConfig>,
    server: Option<Arc<ServerConfig>>,
}

impl Security {
    /// Believes the issuers in `trust`; listens with the certificate and key `own`.
    ///
    /// Errors: a sentence for the user about a file.
    pub fn load(trust: &Path, own: Option<(&Path, &Path)>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in certificates(trust)? {
            roots
                .add(certificate)
                .map_err(|error| wrong(trust, &error))?;
        }
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = match own {
            None => None,
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
                let config = ServerConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| error.to_string())?
                    .with_no_client_auth()
                    .with_single_cert(chain, key)
                    .map_err(|error| wrong(certificate, &error))?;
                Some(Arc::new(config))
            }
        };
        let client = Arc::new(client);
        Ok(Self { client, server })
    }

    /// Shakes hands with the server at the other end of `stream`.
    ///
    /// Errors: a sentence for the user.
    pub async fn connect(&self, stream: &TcpStream, host: IpAddr) -> Result<Layer, String> {
        let connection = ClientConnection::new(self.client.clone(), ServerName::from(host));
        let connection = connection.map_err(|error| error.to_string())?;
        Layer::shake_hands(stream, connection.into()).await
    }

    /// Shakes hands with the client at the other end of `stream`.
    ///
    /// Errors: a sentence for the user.
    pub async fn accept(&self, stream: &TcpStream) -> Result<Layer, String> {
        let config = self
            .server
            .clone()
            .ok_or("there is no certificate to listen with")?;
        let connection = ServerConnection::new(config).map_err(|error| error.to_string())?;
        Layer::shake_hands(stream, connection.into()).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    found.map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &dyn fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// The TLS session of one connection.
#[derive(Debug)]
pub struct Layer(Connection);

impl Layer {
    async fn shake_hands(stream: &TcpStream, mut connection: Connection) -> Result<Self, String> {
        let wrong = |error: &dyn fmt::Display| format!("no TLS: {error}");
        // what batches are made of fits, and the socket sets the pace
        connection.set_buffer_limit(None);
        let mut layer = Self(connection);
        while layer.0.is_handshaking() || layer.0.wants_write() {
            if layer.0.wants_write() {
                stream.writable().await.map_err(|error| wrong(&error))?;
                layer.transmit(stream).map_err(|error| wrong(&error))?;
                continue;
            }
            stream.readable().await.map_err(|error| wrong(&error))?;
            let mut octets = [0; 4096];
            match stream.try_read(&mut octets) {
                Ok(0) => return Err(wrong(&"the other side closed the connection")),
                Ok(count) => layer
                    .take(&octets[..count])
                    .map_err(|error| wrong(&error))?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(wrong(&error)),
            }
        }
        Ok(layer)
    }

    /// Takes octets off the wire.
    fn take(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            self.0.read_tls(&mut octets)?;
            self.0.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Takes octets off the wire and adds what they say to `plain`.
    ///
    /// Errors: they are no TLS, or forged.
    pub fn open(&mut self, mut octets: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let state = self.0.process_new_packets().map_err(io::Error::other)?;
            let at = plain.len();
            plain.resize(at + state.plaintext_bytes_to_read(), 0);
            self.0.reader().read_exact(&mut plain[at..])?;
            if octets.is_empty() {
                return Ok(());
            }
            self.0.read_tls(&mut octets)?;
        }
    }

    /// Seals `octets` for the wire.
    pub fn seal(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.writer().write_all(octets)
    }

    /// Writes what is sealed; says whether `stream` took all of it.
    ///
    /// Errors: the connection is lost.
    pub fn transmit(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(&mut Wire(stream)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

struct Wire<'a>(&'a TcpStream);

impl Write for Wire<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

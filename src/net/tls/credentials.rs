use super::{
    Expect, Fingerprint,
    verify::{Clients, Rule, Servers},
};
use parking_lot::RwLock;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the certificates stand, all of them PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Our certificate, then those of its issuers; if not set, nobody can connect to us.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
    /// Certificates of the issuers we trust; if not set, nobody is trusted.
    pub trust: Option<PathBuf>,
    /// Whether who connects to us must show a certificate from one of them.
    pub require_client_certificate: bool,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or holds no PEM of its kind.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files don't make sense together.
    #[error("{0}")]
    Unusable(#[from] rustls::Error),
}

/// What we show to peers and whom of them we believe. Shared by all shards; may change while
/// connections are open, which go on as they began.
#[derive(Debug)]
pub struct Credentials {
    /// Nothing where the certificate is of our own making.
    files: Option<Files>,
    now: RwLock<Loaded>,
}

/// What the files said when they were last read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// None without a certificate of ours.
    pub(super) server: Option<Arc<ServerConfig>>,
    pub(super) clients: Arc<Clients>,
    client: Arc<ClientConfig>,
    fingerprint: Option<Fingerprint>,
}

impl Credentials {
    /// Reads the files.
    ///
    /// Errors: a file is missing or broken, or the key does not belong to the certificate.
    pub fn load(files: Files) -> Result<Arc<Self>, TlsError> {
        let now = RwLock::new(Loaded::read(&files)?);
        let files = Some(files);
        Ok(Arc::new(Self { files, now }))
    }

    /// Makes a certificate that nobody vouches for and that is kept in memory only. Peers know it
    /// by its fingerprint (RFC 4975 §14.4).
    ///
    /// Errors: there are no random numbers for its key.
    pub fn self_signed() -> Result<Arc<Self>, TlsError> {
        let made = rcgen::generate_simple_self_signed(vec!["msrp.invalid".to_owned()])
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(|error| rustls::Error::General(error.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let ours = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider)?;
        let now = Loaded::of(Some(Arc::new(ours)), None, false, provider)?;
        Ok(Arc::new(Self {
            files: None,
            now: RwLock::new(now),
        }))
    }

    /// Reads the files again, for the connections that come.
    ///
    /// Errors: as [`Credentials::load`]; what was read before stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.files {
            let loaded = Loaded::read(files)?;
            *self.now.write() = loaded;
        }
        Ok(())
    }

    /// The fingerprint of the certificate we show now, as signalling announces it.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.now.read().fingerprint.clone()
    }

    pub(super) fn now(&self) -> Loaded {
        self.now.read().clone()
    }
}

impl Loaded {
    fn read(files: &Files) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let ours = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some(certified_key(certificate, key, &provider)?),
            _ => None,
        };
        let trust = files.trust.as_deref().map(issuers).transpose()?;
        Self::of(ours, trust, files.require_client_certificate, provider)
    }

    fn of(
        ours: Option<Arc<CertifiedKey>>,
        trust: Option<Arc<RootCertStore>>,
        required: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let clients = Arc::new(Clients {
            issuers: match &trust {
                None => None,
                Some(roots) => {
                    let built = WebPkiClientVerifier::builder_with_provider(
                        roots.clone(),
                        provider.clone(),
                    )
                    .build();
                    Some(built.map_err(|error| rustls::Error::General(error.to_string()))?)
                }
            },
            required,
            algorithms: provider.signature_verification_algorithms,
        });
        let fingerprint = ours
            .as_ref()
            .and_then(|ours| ours.cert.first())
            .map(|certificate| Fingerprint::of(certificate));
        let server = match &ours {
            None => None,
            Some(ours) => {
                let config = ServerConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()?
                    .with_client_cert_verifier(clients.clone())
                    .with_cert_resolver(Arc::new(SingleCertAndKey::from(ours.clone())));
                Some(Arc::new(config))
            }
        };
        let rule = match trust {
            None => Rule::Nobody,
            Some(roots) => {
                let built =
                    WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Rule::Issued(built.map_err(|error| rustls::Error::General(error.to_string()))?)
            }
        };
        let algorithms = provider.signature_verification_algorithms;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Servers { rule, algorithms }));
        let client = match ours {
            None => client.with_no_client_auth(),
            Some(ours) => client.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(ours))),
        };
        Ok(Self {
            server,
            clients,
            client: Arc::new(client),
            fingerprint,
        })
    }

    /// What to connect with, to a peer of which this is expected.
    pub(super) fn client(&self, expect: &Expect) -> Arc<ClientConfig> {
        let Expect::Fingerprints(known) = expect else {
            return self.client.clone();
        };
        let mut config = ClientConfig::clone(&self.client);
        // a resumed session would pass the check by
        config.resumption = Resumption::disabled();
        let servers = Arc::new(Servers {
            rule: Rule::Known(known.clone()),
            algorithms: config.crypto_provider().signature_verification_algorithms,
        });
        config.dangerous().set_certificate_verifier(servers);
        Arc::new(config)
    }
}

fn certified_key(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| unusable(key, &error))?;
    let ours = CertifiedKey::from_der(chain, key, provider)?;
    Ok(Arc::new(ours))
}

fn issuers(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(path, &error))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(path, &error))?;
    match found.is_empty() {
        true => Err(unusable(path, &"holds no certificate")),
        false => Ok(found),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error: io::Error| unusable(path, &error))
}

fn unusable(path: &Path, reason: &dyn ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

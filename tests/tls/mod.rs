//! Certificates, and a bridge that lets plain peers speak TLS. It drives rustls in another way
//! than the server does: through tokio-rustls and its buffers.
#![allow(dead_code, reason = "each test file uses its own part")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use restante::{msrp, net::tls::Fingerprint};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An issuer of certificates, and the folder they stand in.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one certificate.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub fingerprint: Fingerprint,
}

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("trust.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub fn trust(&self) -> PathBuf {
        self.folder.path().join("trust.pem")
    }

    /// Issues a certificate for `name` and this machine, over the files of that name.
    pub fn issue(&self, name: &str) -> Issued {
        let names = [name, "127.0.0.1", "::1"].map(str::to_owned);
        let params = CertificateParams::new(names).unwrap();
        let own = KeyPair::generate().unwrap();
        let issued = params.signed_by(&own, &self.issuer).unwrap();
        let [certificate, key] =
            ["pem", "key"].map(|kind| self.folder.path().join(format!("{name}.{kind}")));
        std::fs::write(&certificate, issued.pem()).unwrap();
        std::fs::write(&key, own.serialize_pem()).unwrap();
        Issued {
            certificate,
            key,
            fingerprint: Fingerprint::of(issued.der()),
        }
    }

    /// What a switchboard on free ports is started with, one of them for TLS.
    pub fn config(&self, name: &str) -> msrp::Config {
        let issued = self.issue(name);
        msrp::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            tls_listen: Some(([127, 0, 0, 1], 0).into()),
            tls: msrp::Tls {
                certificate: Some(issued.certificate),
                key: Some(issued.key),
                trust: Some(self.trust()),
                ..msrp::Tls::default()
            },
            ..msrp::Config::default()
        }
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Makes a plain port that leads to the TLS port at `to`, with `own` certificate if any.
    pub async fn bridge_to(&self, to: SocketAddr, own: Option<&Issued>) -> SocketAddr {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = read(own);
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let connector = TlsConnector::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        actix_rt::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let connector = connector.clone();
                actix_rt::spawn(async move {
                    let tcp = TcpStream::connect(to).await.unwrap();
                    let name = ServerName::from(to.ip());
                    if let Ok(mut tls) = connector.connect(name, tcp).await {
                        let _ = tokio::io::copy_bidirectional(&mut plain, &mut tls).await;
                    }
                });
            }
        });
        addr
    }

    /// Makes a TLS port, with the certificate `own`, that leads to the plain port at `to`.
    pub async fn bridge_from(&self, own: &Issued, to: SocketAddr) -> SocketAddr {
        let (chain, key) = read(own);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        actix_rt::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                actix_rt::spawn(async move {
                    if let Ok(mut tls) = acceptor.accept(tcp).await {
                        let mut plain = TcpStream::connect(to).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut plain, &mut tls).await;
                    }
                });
            }
        });
        addr
    }
}

fn read(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(&issued.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&issued.key).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}

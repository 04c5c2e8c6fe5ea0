//! Whom we believe: two verifiers that know issuers and fingerprints.
use super::Fingerprint;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use std::sync::Arc;

/// Judges the certificates of those who connect to us.
#[derive(Debug)]
pub(super) struct Clients {
    /// Knows the issuers we trust; none if nobody is trusted.
    pub(super) issuers: Option<Arc<dyn ClientCertVerifier>>,
    /// Whether a certificate from such an issuer must be shown. If not, any certificate will do:
    /// its fingerprint still says who came.
    pub(super) required: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    /// Whether an issuer we trust stands for this certificate.
    pub(super) fn trust(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some(issuers), Some((first, others))) = (&self.issuers, chain.split_first()) else {
            return false;
        };
        issuers
            .verify_client_cert(first, others, UnixTime::now())
            .is_ok()
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// No hints: who has a certificate of his own making must show it too.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match (&self.issuers, self.required) {
            (Some(issuers), true) => issuers.root_hint_subjects(),
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match (&self.issuers, self.required) {
            (_, false) => Ok(ClientCertVerified::assertion()),
            (Some(issuers), true) => issuers.verify_client_cert(end_entity, intermediates, now),
            (None, true) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Judges the certificates of those we connect to.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) rule: Rule,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Which certificates of a server are believed.
#[derive(Debug)]
pub(super) enum Rule {
    /// An issuer that this one knows must stand for the host.
    Issued(Arc<WebPkiServerVerifier>),
    /// One of these, whoever issued it.
    Known(Vec<Fingerprint>),
    /// None: nobody is trusted.
    Nobody,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.rule {
            Rule::Issued(issuers) => issuers.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            Rule::Known(known) if known.iter().any(|known| known.names(end_entity)) => {
                Ok(ServerCertVerified::assertion())
            }
            Rule::Known(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            Rule::Nobody => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

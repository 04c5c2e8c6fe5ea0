use super::Fingerprint;
use rustls::pki_types::CertificateDer;

/// Who showed a certificate, and proved to have its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Names the certificate.
    pub fingerprint: Fingerprint,
    /// Whether an issuer we trust stands for the names. Where none does, only the fingerprint
    /// says anything.
    pub trusted: bool,
    /// Host names from the certificate's subjectAltName.
    pub hosts: Vec<String>,
    /// URIs from there, such as `sip:example.com` (RFC 5922).
    pub uris: Vec<String>,
}

impl Peer {
    pub(super) fn new(certificate: &CertificateDer<'_>, trusted: bool) -> Self {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok();
        let (hosts, uris) = parsed.map_or_else(Default::default, |parsed| {
            let hosts = parsed.valid_dns_names().map(str::to_owned).collect();
            let uris = parsed.valid_uri_names().map(str::to_owned).collect();
            (hosts, uris)
        });
        Self {
            fingerprint: Fingerprint::of(certificate),
            trusted,
            hosts,
            uris,
        }
    }
}
